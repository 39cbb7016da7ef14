"""The training flow: check, fit, and, where the gates pass and it is wanted, promote. Run it from the workspace.

    python pipelines/training.py --card onboarding [--as-of 2026-06-30] [--promote "weekly refit"]

Reads: the card's sources. Writes: a run and a candidate in MLflow; with --promote also the champion.
Exit codes: 0 done, 1 a finding or a gate said no, 2 configuration, 3 try again, 4 a hash does not match.
"""

import argparse

from churnfit.cli import run


def main() -> int:
    """Run the steps in order; stop at the first that does not end well, with its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", required=True)
    parser.add_argument("--as-of", help="UTC date; today when absent")
    parser.add_argument("--promote", metavar="REASON", help="promote the new candidate, for this reason")
    given = parser.parse_args()
    card = ["--card", given.card]
    dated = [*card, *(["--as-of", given.as_of] if given.as_of else [])]
    steps = [["check", *dated], ["fit", *dated]]
    if given.promote:
        steps.append(["promote", "latest", *card, "--apply", "--reason", given.promote])
    return next((code for step in steps if (code := run(*step))), 0)


if __name__ == "__main__":
    raise SystemExit(main())
