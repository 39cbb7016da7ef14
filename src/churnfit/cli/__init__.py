"""The command line: verbs over jobs. Data on stdout, the rest on stderr; exit codes as in `churnfit.errors`."""

from churnfit.cli.commands import main, run

__all__ = ["main", "run"]
