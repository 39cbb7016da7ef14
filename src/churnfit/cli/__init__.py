"""The command line: verbs over jobs. Data on stdout, the rest on stderr; exit codes as in `churnfit.errors`."""

import sys

from churnfit.cli import (
    delivering,
    feeds,
    journey,
    judging,
    learning,
    ledger,
    outcomes,
    overrides,
    perception,
    queue,
    reproducing,
    serving,
    stages,
    starting,
    versions,
    wins,
)
from churnfit.cli.app import app, run_app

__all__ = [
    "app",
    "delivering",
    "feeds",
    "journey",
    "judging",
    "learning",
    "ledger",
    "main",
    "outcomes",
    "overrides",
    "perception",
    "queue",
    "reproducing",
    "run",
    "serving",
    "stages",
    "starting",
    "versions",
    "wins",
]


def run(*arguments: str) -> int:
    """Run one command; return its exit code."""
    return run_app(*arguments)


def main() -> None:
    """Run the command line."""
    sys.exit(run(*sys.argv[1:]))
