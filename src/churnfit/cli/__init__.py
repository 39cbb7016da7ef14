"""The command line: verbs over jobs. Data on stdout, the rest on stderr; exit codes as in `churnfit.errors`."""

from churnfit.cli.commands import main

__all__ = ["main"]
