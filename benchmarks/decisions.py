"""Whether band cuts, and the queue, earn what could be earned, where the economics are known.

Run in the repository: python benchmarks/decisions.py [--worlds 200] [--processes 1] [--smoke]. Exit code 1 when a line
fails. A world has 500 to 5,000 accounts of `planted` (every fourth size in turn), 7 to 30 % of which churn, for reasons
of which some are not measured at all; yearly values are log-normal, 20,000 on average, and in two worlds of three go
with health or against it. A call costs two to eight hours at 80 each and saves a share of churners drawn as in
Verbraken, Verbeke and Baesens (2013): Beta(6, 14); 80 % of the value is earned. The card is learned with the learner's
own settings, without certificates, and its cuts are judged on 20,000 other accounts whose true churn probability and
expected value are known: profit is an expectation. A world whose cohort the learner refuses is drawn again.

cuts     Profit of calling everybody below a cut, over that of the best whole health point, which knows the truth.
         Rivals cut the same health at a probability chosen on the same out-of-fold rows: 0.5; where F1, or Youden's J,
         is largest; scikit-learn's TunedThresholdClassifierCV, told every account's value, with the same profit as its
         scorer; and where a call breaks even on an account of median value. Printed besides, to compare: of mean value,
         which is churnfit's cut were value the same at every health. "All together" adds up the money of all worlds;
         the best cut for each would have earned 1. `call and mail` cuts red and amber at once,
         against the best pair. `interval holds the best cut`: of the 90 % intervals of red's cut.
queue    One call for every 20 accounts: the value that the queue of the red accounts keeps (the share of churn that
         calls save, times value), over the value kept by calling the accounts of highest churn probability.
flips    Weekly runs over half a year: an account's health keeps its level, about which four-week windows wobble, until
         at some week, in three accounts of five, it falls or rises for good, over one to four weeks. Steady bands are
         learned on 300 accounts of a world and judged on 1,000 others: the share of the band's flips that is gone, and
         by how many runs later than the band the shown band follows the truth, where the truth crosses a cut.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import date
from multiprocessing import get_context

import numpy as np
import pandas as pd
from planted import accounts, churn_probability
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import make_scorer
from sklearn.model_selection import TunedThresholdClassifierCV

from churnfit.cta.ranking import rank
from churnfit.cta.rules import ScoredAccount, Standing, decide
from churnfit.errors import DataError
from churnfit.learning.bands import Stakes, learned_cuts
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.learning.steadiness import flip_curve, replayed
from churnfit.scorecard.bands import BandCuts
from churnfit.scorecard.card import Scorecard
from churnfit.spec import Bands, Queue, ScorecardSpec

SIZES = (500, 1000, 2000, 5000)
JUDGES = 20_000
MEAN_VALUE, MARGIN = 20_000.0, 0.8
UNMEASURED = 0.5  # logits, standard deviation
CAPACITY = 0.05
ENOUGH, LEAST_WORLDS, LEAST_QUEUE = 0.98, 0.90, 2.0
RESAMPLES = 100
FIRST_SEED = 47_000_000  # the smoothing of values was chosen on other ones
OURS, BOTH = "churnfit", "call and mail"
RIVALS = ("0.5", "F1", "Youden", "scikit-learn tuned", "median value")
FLAT = "mean value"


@dataclass(frozen=True)
class Accounts:
    """Accounts of a world: measures, true churn probability, yearly value, and the value expected of their like."""

    table: pd.DataFrame
    truth: np.ndarray
    value: np.ndarray
    expected_value: np.ndarray


@dataclass(frozen=True)
class World:
    """Accounts to learn from and whether they churned, accounts to judge by, and what calls and mails cost and save."""

    learn: Accounts
    churned: np.ndarray
    judge: Accounts
    cost: float
    save_rate: float
    mail_cost: float
    mail_save_rate: float

    def bands(self, *, mail: bool) -> Bands:
        """Return the economics as a spec has them; without a mail, amber does nothing."""
        amber = {"cost": self.mail_cost, "save_rate": self.mail_save_rate} if mail else {"cost": 0, "save_rate": 0}
        red = {"cost": self.cost, "save_rate": self.save_rate}
        return Bands.model_validate(
            {"margin": MARGIN, "red": {"action": "call", **red}, "amber": {"action": "mail", **amber}}
        )


def world(number: int, attempt: int = 0) -> World:
    """Return a world; the same number and attempt, the same world."""
    rng = np.random.default_rng(FIRST_SEED + 1000 * number + attempt)
    strength, level = rng.uniform(0.5, 1.0), rng.uniform(-1.5, 0.0)
    spread, goes_with_risk = rng.uniform(0.6, 1.2), rng.choice([-0.25, 0.0, 0.25])

    def drawn(n: int) -> Accounts:
        table = accounts(n, rng)
        known = logit(churn_probability(table, strength=strength, level=level))
        risk = (known - known.mean()) / known.std()
        expected = MEAN_VALUE * np.exp(spread * goes_with_risk * risk - (spread * goes_with_risk) ** 2 / 2)
        own = spread * np.sqrt(1 - goes_with_risk**2)
        value = expected * np.exp(own * rng.normal(size=n) - own**2 / 2)
        return Accounts(table, expit(known + UNMEASURED * rng.normal(size=n)), value, expected)

    learn, judge = drawn(SIZES[number % len(SIZES)]), drawn(JUDGES)
    return World(
        learn=learn,
        churned=(rng.random(len(learn.truth)) < learn.truth).astype(int),
        judge=judge,
        cost=80 * 2 * 4 ** rng.random(),
        save_rate=rng.beta(6, 14),
        mail_cost=5 * 4 ** rng.random(),
        mail_save_rate=0.05 * rng.uniform(0.5, 1.5),
    )


# --- cuts ---


def profits(found: World, health: np.ndarray, *, mail: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what calling, and what mailing, everybody below each whole health point is expected to earn (101,)."""
    saved = found.judge.truth * found.judge.expected_value * MARGIN
    gains = [saved * found.save_rate - found.cost, saved * found.mail_save_rate - found.mail_cost]
    below = health[:, np.newaxis] < np.arange(101)
    called, mailed = (gain @ below for gain in gains)
    return called, mailed if mail else np.zeros(101)


def rival_cuts(found: World, card: Scorecard, out_of_fold: np.ndarray) -> dict[str, int]:
    """Return the whole health point below which each rival calls."""
    churned, per_saved = found.churned, found.save_rate * MARGIN
    riskiest = np.argsort(-out_of_fold, kind="stable")
    caught, called = np.cumsum(churned[riskiest]), np.arange(1, len(churned) + 1)
    f1 = 2 * caught / (called + churned.sum())
    youden = caught / churned.sum() - (called - caught) / (len(churned) - churned.sum())
    at = {
        "0.5": 0.5,
        "F1": out_of_fold[riskiest[np.argmax(f1)]],
        "Youden": out_of_fold[riskiest[np.argmax(youden)]],
        "scikit-learn tuned": tuned_threshold(found, out_of_fold),
        "median value": found.cost / (per_saved * np.median(found.learn.value)),
        FLAT: found.cost / (per_saved * found.learn.value.mean()),
    }
    return {name: health_at(card, threshold) for name, threshold in at.items()}


def health_at(card: Scorecard, probability: float) -> int:
    """Return the whole health point with this churn probability."""
    if not 0 < probability < 1:
        return 100 if probability <= 0 else 0
    return int(np.clip(np.round(card.health_at(probability)), 0, 100))


class AsGiven(ClassifierMixin, BaseEstimator):
    """Probabilities that are there already, as a classifier: its threshold can be tuned."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> AsGiven:
        """Learn the labels' names."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return what was given."""
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def tuned_threshold(found: World, out_of_fold: np.ndarray) -> float:
    """Return scikit-learn's threshold for the profit of the labels, every account with its own value."""

    def profit(churned: np.ndarray, called: np.ndarray, value: np.ndarray) -> float:
        return float((called * (churned * found.save_rate * value * MARGIN - found.cost)).sum())

    given = out_of_fold[:, np.newaxis]
    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(profit).set_score_request(value=True)
        tuned = TunedThresholdClassifierCV(
            AsGiven().fit(given, found.churned), scoring=scorer, thresholds=1000, cv="prefit", refit=False
        )
        return float(tuned.fit(given, found.churned, value=found.learn.value).best_threshold_)


# --- queue ---

NOTHING = Standing(**{field.name: {} for field in fields(Standing)})


def spec_of(bands: Bands, capacity: int) -> ScorecardSpec:
    """Return the least spec with these economics and this many calls for its one owner."""
    return ScorecardSpec.model_validate(
        {
            "name": "world",
            "sources": {"measures": {"path": "measures.csv"}},
            "cohort": {"horizon_days": 90},
            "groups": {"use": {"label": "Use"}},
            "measures": {"logins": {"group": "use", "aggregate": "column"}},
            "bands": bands.model_dump(),
            "playbooks": {"call": {"title": "Call", "steps": ["Call."]}},
            "queue": {"capacity_per_owner": capacity},
        }
    )


def kept_by_queue(found: World, health: np.ndarray, probability: np.ndarray, bands: np.ndarray) -> float:
    """Return the value kept by the queue's calls over that kept by calling the riskiest accounts."""
    places = int(CAPACITY * len(health))
    scored = [
        ScoredAccount(
            account_id=f"{at:06}", owner="Ada", value=value, health=h, churn_probability=p, band=band, lead_measure=""
        )
        for at, (value, h, p, band) in enumerate(zip(found.judge.value, health, probability, bands, strict=True))
    ]
    spec = spec_of(found.bands(mail=False), places)
    opened = decide(scored, NOTHING, spec, as_of=date(2026, 1, 5), version="1").opened
    rows = rank(list(opened), Queue(capacity_per_owner=places))
    called = [int(row.cta.account_id) for row in rows if not row.overflow and row.cta.expected_value > 0]
    riskiest = np.argsort(-probability, kind="stable")[:places]
    keeps = found.judge.truth * found.judge.value
    return float(keeps[called].sum() / keeps[riskiest].sum())


# --- flips ---

RUNS, LEARNED_FROM, JUDGED_ON, MOST_DELAY = 26, 300, 1000, 1.0
LEAST_REMOVED = 0.8


def wobbling(n: int, wobble: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return true and measured health of `n` accounts over the weeks (n, RUNS)."""
    weeks = np.arange(RUNS)
    level = rng.normal(58, 18, n)[:, np.newaxis]
    begins, takes = rng.integers(3, RUNS - 6, n)[:, np.newaxis], rng.integers(1, 5, n)[:, np.newaxis]
    moves = (rng.random(n) < 0.6)[:, np.newaxis] * rng.choice([-1, 1], n, p=[0.6, 0.4])[:, np.newaxis]
    size = rng.uniform(8, 40, n)[:, np.newaxis]
    truth = np.clip(level + moves * size * np.clip((weeks - begins) / takes, 0, 1), 0, 100)
    weekly = rng.normal(0, 2 * wobble, (n, RUNS + 3))  # each week says something else; a window holds four of them
    measured = truth + np.lib.stride_tricks.sliding_window_view(weekly, 4, axis=1).mean(axis=2)
    return truth, np.clip(measured, 0, 100)


def steadied(number: int) -> tuple[float, float, float]:
    """Return the share of flips removed, the delay that the learned policy adds, and the one it was learned with."""
    rng = np.random.default_rng(FIRST_SEED + 500_000 + number)
    cuts = BandCuts(red_below=float(rng.integers(28, 42)), green_from=float(rng.integers(55, 75)))
    wobble = rng.uniform(2, 5)
    chosen = flip_curve(cuts, wobbling(LEARNED_FROM, wobble, rng)[1], days_apart=7).chosen
    if chosen is None:
        raise ValueError("a world has too few flips to learn from")
    truth, health = wobbling(JUDGED_ON, wobble, rng)
    steady = replace(cuts, steadiness=chosen)
    [same] = [
        one
        for one in flip_curve(cuts, health, days_apart=7).policies
        if (one.clear, one.dwell_days) == (chosen.clear, chosen.dwell_days)
    ]
    late = [lateness(truth, replayed(how, health, 7), cuts) for how in (cuts, steady)]
    return same.flips_removed, late[1] - late[0], chosen.delay_runs


def lateness(truth: np.ndarray, shown: np.ndarray, cuts: BandCuts) -> float:
    """Return the mean number of runs from the week in which the truth crosses a cut until a band is shown beyond it."""
    runs = []
    for cut, worse in ((cuts.red_below, shown == "red"), (cuts.green_from, shown != "green")):
        below = truth < cut
        account, week = np.nonzero(below[:, 1:] != below[:, :-1])
        for one, at in zip(account, week + 1, strict=True):
            arrived = np.flatnonzero(worse[one, at:] == below[one, at])
            runs.append(arrived[0] if len(arrived) else RUNS - at)
    return float(np.mean(runs))


def flip_lines(worlds: int) -> Iterator[bool]:
    """Print what steady bands remove and what they cost; yield whether the line holds."""
    removed, late, said = (np.array(part) for part in zip(*map(steadied, range(worlds)), strict=True))
    low, high = np.quantile(removed, [0.05, 0.95])
    yield from judged_line(
        f"\nFlips: {removed.mean():.1%} removed ({low:.1%} to {high:.1%} in nine worlds of ten) for {late.mean():.2f} "
        f"runs of delay behind the truth, {said.mean():.2f} expected",
        removed.mean() >= LEAST_REMOVED and late.mean() <= MOST_DELAY,
    )
    both = [bool(gone >= LEAST_REMOVED and delay <= MOST_DELAY) for gone, delay in zip(removed, late, strict=True)]
    print(f"Worlds with both: {share_words(both)}")


# --- worlds ---


@dataclass(frozen=True)
class Outcome:
    """What was earned in a world: by each way to cut, and by the best cut; the others are as their lines say."""

    size: int
    earned: dict[str, float]
    best: dict[str, float]
    told_apart: float
    interval_holds: bool
    queue: float


def outcome(number: int, attempt: int = 0) -> Outcome:
    """Return what was earned in a world."""
    found = world(number, attempt)
    try:
        learner = ScorecardClassifier(certify=0).fit(found.learn.table, found.churned)
    except DataError:
        return outcome(number, attempt + 1)
    card, out_of_fold = learner.card_, learner.out_of_fold_probability_
    if not card.measures:
        return outcome(number, attempt + 1)
    health = card.health(found.learn.table)
    stakes = Stakes(
        health=health,
        churn_probability=card.probability_of(health),
        value=found.learn.value,
        weight=np.ones(len(health)),
        account=np.arange(len(health)),
        churned=found.churned.astype(float),
        out_of_fold=out_of_fold,
    )
    judged = card.health(found.judge.table)
    call, pair = (found.bands(mail=mail) for mail in (False, True))
    cuts, two = learned_cuts(stakes, call, resamples=RESAMPLES), learned_cuts(stakes, pair)
    called, _ = profits(found, judged, mail=False)
    _, mailed = profits(found, judged, mail=True)
    earned = {name: called[cut] for name, cut in rival_cuts(found, card, out_of_fold).items()}
    earned[OURS] = called[int(cuts.red_below)]
    earned[BOTH] = (called - mailed)[int(two.red_below)] + mailed[int(two.green_from)]
    best_above = np.maximum.accumulate(mailed[::-1])[::-1]
    low, high = cuts.red_interval or (0.0, 0.0)
    gain = found.judge.truth * found.judge.value * MARGIN * found.save_rate - found.cost
    return Outcome(
        size=len(health),
        earned={name: float(money) for name, money in earned.items()},
        best={OURS: float(called.max()), BOTH: float((called - mailed + best_above).max())},
        told_apart=float(np.maximum(gain, 0).sum()),
        interval_holds=bool(low <= int(called.argmax()) <= high),
        queue=kept_by_queue(found, judged, card.probability_of(judged), cuts.band(judged)),
    )


# --- lines ---


def share_words(answers: list[bool]) -> str:
    """Return the share of true answers, its 90 % interval (Wilson 1927), and the counts."""
    n, z = len(answers), 1.645
    share = sum(answers) / n
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{share:.3f} ({low:.3f} to {high:.3f}), {sum(answers)} of {n}"


def cut_lines(found: list[Outcome]) -> Iterator[bool]:
    """Print what each way to cut earned; yield whether each line holds."""
    print("Cuts: profit over that of the best cut")
    print(f"{'':20} {'all together':>12} {'median':>8} {'worst':>8} {'>= 0.98':>8} {'churnfit ahead':>15}")
    totals = {}
    for name in (OURS, *RIVALS, FLAT, BOTH):
        best = [one.best[BOTH if name == BOTH else OURS] for one in found]
        ratios = np.array([one.earned[name] / most for one, most in zip(found, best, strict=True)])
        totals[name] = sum(one.earned[name] for one in found) / sum(best)
        ahead = np.mean([one.earned[OURS] >= one.earned[name] for one in found])
        said = "" if name in (OURS, BOTH) else f"{ahead:15.3f}"
        numbers = f"{totals[name]:12.3f} {np.median(ratios):8.3f} {ratios.min():8.3f} {np.mean(ratios >= ENOUGH):8.3f}"
        print(f"{name:20} {numbers} {said}")
    for name in (OURS, BOTH):
        close = [one.earned[name] >= ENOUGH * one.best[name] for one in found]
        words = f"{name}: worlds with >= {ENOUGH:.0%} of the best cut's profit: {share_words(close)}"
        yield from judged_line(words, sum(close) >= LEAST_WORLDS * len(close))
    for size in SIZES:
        some = [one.earned[OURS] >= ENOUGH * one.best[OURS] for one in found if one.size == size]
        if some:
            print(f"  of {size:,} accounts: {share_words(some)}")
    behind = [name for name in RIVALS if totals[name] >= totals[OURS]]
    words = f"Ahead of every rival, all together{': not of ' + ', '.join(behind) if behind else ''}"
    yield from judged_line(words, not behind)
    print(f"90 % interval holds the best cut: {share_words([one.interval_holds for one in found])}")
    apart = sum(one.told_apart for one in found) / sum(one.best[OURS] for one in found)
    print(f"Knowing every account's own probability and value would earn {apart:.2f} times the best cut's profit")


def queue_lines(found: list[Outcome]) -> Iterator[bool]:
    """Print what the queue keeps beside ranking by risk; yield whether the line holds."""
    kept = np.array([one.queue for one in found])
    low, middle, high = np.quantile(kept, [0.05, 0.5, 0.95])
    words = f"\nQueue at {CAPACITY:.0%} capacity: keeps {middle:.2f} times the value of ranking by risk, median "
    yield from judged_line(f"{words}({low:.2f} to {high:.2f} in nine worlds of ten)", middle >= LEAST_QUEUE)


def judged_line(line: str, holds: bool) -> Iterator[bool]:
    """Print a line and whether it holds; yield that."""
    print(f"{line}  {'pass' if holds else 'FAIL'}", flush=True)
    yield holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="two worlds: that it runs, not what it says")
    given = parser.parse_args()
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(outcome, range(2 if given.smoke else given.worlds)))
    answers = [*cut_lines(found), *queue_lines(found), *flip_lines(1 if given.smoke else given.worlds // 5)]
    sys.exit(0 if given.smoke or all(answers) else 1)


if __name__ == "__main__":
    main()
