"""The nightly flow: score every account, fill and close calls to action, export the queue. Run it from the workspace.

    python pipelines/scoring.py --card onboarding [--as-of 2026-06-30] [--export queue-2026-06-30.csv]
    python pipelines/scoring.py --card onboarding --from 2026-06-01 --to 2026-06-30 [--every 7]

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
    parser.add_argument("--from", dest="first", metavar="DATE", help="with --to: every date of a range, in order")
    parser.add_argument("--to", dest="last", metavar="DATE")
    parser.add_argument("--every", metavar="DAYS", help="of the range every so many days")
    parser.add_argument("--export", metavar="FILE", help="also write the queue to a .csv, .jsonl or .parquet file")
    given = parser.parse_args()
    card = ["--card", given.card]
    when = {"--as-of": given.as_of, "--from": given.first, "--to": given.last, "--every": given.every}
    steps = [["score", *card, *(part for option in when.items() if option[1] for part in option)]]
    if given.export:
        steps.append(["export", "queue", given.export, *card, "--replace"])
    return next((code for step in steps if (code := run(*step))), 0)


if __name__ == "__main__":
    raise SystemExit(main())
