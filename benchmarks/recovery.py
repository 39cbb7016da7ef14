"""Whether a planted truth comes back, and whether the certificates cover it.

Run in the repository: python benchmarks/recovery.py [--cohorts 200] [--sizes 300,1000,5000] [--processes 1] [--smoke].
Every cohort is drawn from `planted` and a card learned from it, with the learner's own settings. Printed per size, and
for cohorts of 500: how often a 90 % interval contains the truth, by kind of number, given that the measure is on the
card, and how many of the measures with an effect are; the share of the measures without effect that weigh less than 2;
the share of cohorts in which tickets are green between the right two numbers, give or take one. In brackets: how many
intervals that is of. Thresholds of whole numbers cover by steps: below their intervals stands how often the next
smaller ones would cover, without the ends. Last what must hold; exit code 1 where it does not.
"""

import argparse
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from planted import KINDS, NOISE, RANGES, cohort, covered, tickets_are_right

from churnfit.learning.estimator import ScorecardClassifier

CUTS_AT = 500
FEWEST_CHURNED = 5  # the planted base rate is 0.3: no cohort here is refused
COVERS = (0.85, 0.95)  # of the intervals of weights and of thresholds
MOSTLY = 0.90  # of the measures without effect, and of the cohorts whose tickets are right


def look(size: int, seed: int) -> dict[str, list[bool]]:
    """Return what the card of one cohort got right, by kind."""
    card = ScorecardClassifier(min_churned=FEWEST_CHURNED).fit(*cohort(size, 1000 * size + seed)).card_
    return covered(card) | {
        "effects on the card": [name in card.weights for name in RANGES],
        "noise weighs < 2": [card.weights.get(name, 0.0) < 2 for name in NOISE],
        "tickets right": [tickets_are_right(card)],
    }


def table(sizes: list[int], cohorts: int, processes: int) -> dict[int, dict[str, list[bool]]]:
    """Return what the cards of all cohorts got right, by size and kind."""
    found: dict[int, dict[str, list[bool]]] = {size: defaultdict(list) for size in sizes}
    tasks = [(size, seed) for size in sizes for seed in range(cohorts)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for (size, _), seen in zip(tasks, pool.map(look, *zip(*tasks, strict=True), chunksize=5), strict=True):
            for kind, answers in seen.items():
                found[size][kind] += answers
    return found


def all_hold(found: dict[int, dict[str, list[bool]]], sizes: list[int]) -> bool:
    """Print what must hold of cohorts of `sizes`, and of tickets in those of 500; return whether all of it does."""
    bars = {"weights": COVERS, "thresholds": COVERS, "noise weighs < 2": (MOSTLY, 1.0)}
    held = [
        _holds(f"n = {size:,}: {kind}", found[size][kind], low, high)
        for size in sizes
        for kind, (low, high) in bars.items()
    ]
    return all([*held, _holds(f"n = {CUTS_AT:,}: tickets right", found[CUTS_AT]["tickets right"], MOSTLY, 1.0)])


def _holds(said: str, answers: list[bool], low: float, high: float) -> bool:
    share = float(np.mean(answers))
    print(f"{'pass' if low <= share <= high else 'FAIL'}: {said} {share:.3f}, from {low} to {high}")
    return low <= share <= high


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=200, help="cohorts per size")
    parser.add_argument("--sizes", default="300,1000,5000", help="accounts per cohort")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="two cohorts of 300: that it runs, not what it says")
    given = parser.parse_args()
    demanded = [int(size) for size in given.sizes.split(",")]
    sizes = [300] if given.smoke else sorted({*demanded, CUTS_AT})
    found = table(sizes, 2 if given.smoke else given.cohorts, given.processes)
    print(f"{'':26}" + "".join(f"{f'n = {size:,}':>16}" for size in sizes))
    counted = [kind for kind in KINDS if "spurious" not in kind]
    for kind in (*counted, "effects on the card", "noise weighs < 2", "tickets right"):
        cells = [found[size][kind] for size in sizes]
        print(f"{kind:26}" + "".join(f"{np.mean(c):9.3f} ({len(c):4})" if c else f"{'none':>16}" for c in cells))
    for kind in (kind for kind in KINDS if "spurious" in kind):
        print(f"{kind:26}" + "".join(f"{len(found[size][kind]):16}" for size in sizes))
    return 0 if given.smoke or all_hold(found, demanded) else 1


if __name__ == "__main__":
    sys.exit(main())
