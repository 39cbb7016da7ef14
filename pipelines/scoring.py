"""The nightly flow: score every account, fill and close calls to action, export the queue. Run it from the workspace.

    python pipelines/scoring.py --card onboarding [--as-of 2026-06-30] [--export queue-2026-06-30.csv]

Reads: the card's sources and its champion. Writes: scores, reasons and CTAs, once per date and data.
Exit codes: 0 done or nothing to do, 1 a finding, 2 configuration, 3 try again, 4 a hash does not match.
"""

import argparse

from churnfit.cli import run


def main() -> int:
    """Run the steps in order; stop at the first that does not end well, with its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", required=True)
    parser.add_argument("--as-of", help="UTC date; today when absent")
    parser.add_argument("--export", metavar="FILE", help="also write the queue to a .csv, .jsonl or .parquet file")
    given = parser.parse_args()
    card = ["--card", given.card]
    steps = [["score", *card, *(["--as-of", given.as_of] if given.as_of else [])]]
    if given.export:
        steps.append(["export", "queue", given.export, *card, "--replace"])
    return next((code for step in steps if (code := run(*step))), 0)


if __name__ == "__main__":
    raise SystemExit(main())
