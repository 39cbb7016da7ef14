"""What learning from 100,000 rows of 20 measures costs, in CPU seconds, compilation left out.

Run in the repository: python benchmarks/large_fit.py [--cache ~/.cache/churnfit-benchmarks] [--smoke]. Printed beside
their budgets: one constrained fit of all measures beyond binning; the whole `fit` with its cross-validation beside
optbinning's binning and logistic regression, one after the other; 200 refits of the card on resamples. Exits 1 above
a budget. optbinning gets an environment of its own under the cache; --smoke leaves it out.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent / "learners"))

from generated import large
from learners import LEARNERS, outcome_now
from tables import smoke_table, table

from churnfit.learning.codes import learn_bins, normalised
from churnfit.learning.folds import Cohort, account_names
from churnfit.learning.joint import refit
from churnfit.learning.penalties import Settings, coded_rows, last_design
from churnfit.learning.resampling import resampled_curves
from churnfit.learning.selection import learn_curves

CACHE = Path.home() / ".cache" / "churnfit-benchmarks"
ROWS, FEW_ROWS, RESAMPLES = 100_000, 1_000, 200
PENALTY = 2.0
SETTINGS = Settings(
    shapes={}, max_knots=7, max_levels=8, penalties=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0), folds=4, random_state=0
)
BUDGETS = {"one constrained fit": 1.0, "200 refits": 15.0}
MOST_TIMES_OPTBINNING = 3.0


def cpu_seconds(work: Callable[[], object]) -> float:
    before = time.process_time()
    with threadpool_limits(limits=1, user_api="blas"):  # as `ScorecardClassifier.fit` does
        work()
    return time.process_time() - before


def large_cohort(n_rows: int) -> Cohort:
    frame, churned = large(n_rows, np.random.default_rng(20_26))
    return Cohort(
        frame=normalised(frame),
        churned=churned.astype(float),
        weight=np.ones(n_rows),
        groups=account_names(None, n_rows),
    )


def own_seconds(cohort: Cohort) -> dict[str, float]:
    """Return the CPU seconds of one constrained fit on rows that are binned, and of all resamples' refits."""
    binning = learn_bins(cohort.frame, cohort.weight)
    part = coded_rows(binning, binning.encode(cohort.frame), cohort, np.ones(len(cohort.churned), dtype=bool))

    def one_fit() -> None:
        refit(last_design(part, [PENALTY], SETTINGS), part.churned, part.weight, PENALTY)

    learned = learn_curves(cohort, SETTINGS)
    return {
        "one constrained fit": cpu_seconds(one_fit),
        "200 refits": cpu_seconds(lambda: resampled_curves(learned, cohort, SETTINGS, RESAMPLES)),
    }


def fit_seconds(name: str, cache: Path, *, smoke: bool) -> float:
    """Return the CPU seconds of a learner's whole fit of the table `large`, measured now."""
    found = outcome_now(LEARNERS[name], smoke_table() if smoke else table("large"), cache)
    return float(np.mean([fit["cpu_seconds"] for fit in found.fits]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of environments")
    parser.add_argument("--smoke", action="store_true", help="few rows and no optbinning: that it runs, not how fast")
    given = parser.parse_args()
    own_seconds(large_cohort(FEW_ROWS))  # compiles
    if not given.smoke:
        seconds = own_seconds(large_cohort(ROWS))
        for what, spent in seconds.items():
            print(f"{what:22} {spent:6.2f} CPU s, budget {BUDGETS[what]:g}")
    whole = fit_seconds("churnfit", given.cache, smoke=given.smoke)
    print(f"{'whole fit':22} {whole:6.2f} CPU s")
    if given.smoke:
        return 0
    peer = fit_seconds("optbinning", given.cache, smoke=False)
    print(
        f"{'optbinning':22} {peer:6.2f} CPU s: whole fit {whole / peer:.2f} times it, budget {MOST_TIMES_OPTBINNING:g}"
    )
    over = whole > MOST_TIMES_OPTBINNING * peer or any(seconds[what] > most for what, most in BUDGETS.items())
    return int(over)


if __name__ == "__main__":
    raise SystemExit(main())
