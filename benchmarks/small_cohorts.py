"""Small cohorts: whether their cards hold beside a hand-made one, and whether refusals are right.

Run in the repository: python benchmarks/small_cohorts.py [--cohorts 100] [--parts cards,refusals,shuffled,ravenstack]
[--smoke]. Exit code 1 when a line fails. Cohorts are drawn from `planted`; cards are learned with the learner's own
settings, without certificates. What is estimated, line by line:

cards       Log-loss that a card of 60 to 150 accounts is expected to have on accounts of the same world that come
            later, over that of the hand-made card, which gets its probabilities from the same cohort. Once nothing has
            changed; once accounts are less active and churn is up by DRIFT logits. The loss is an expectation over
            20,000 accounts whose true churn probability is known: judging adds no noise. `share` and `pass` are of
            the cards learned; `of all` counts a refused cohort as no worse, since its hand-made card stays.
refusals    A decision is wrong when the other one would have saved more than 2 % of the log-loss of the base rate on
            later accounts: a card that is worse than the base rate by more, or the refusal of one that is better by
            more. A card is also wrong where no card can be better by more: where labels are shuffled. The card that a
            refusal withheld is learned with that refusal switched off. No hand-made card: with one, a refusal costs
            less, since there is something to fall back on.
shuffled    Labels dealt to other accounts. Refused: CF103, or no measure on the card, or gate CF002 says no to the card
            on newer accounts, 3 for every 7 it was learned from.
ravenstack  The card of models/ravenstack: the learner or gate CF002 must refuse it. Needs ../shared/data; says
            so and goes on without.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from planted import churn_probability, cohort
from scipy.optimize import brentq

from churnfit.errors import DataError
from churnfit.evaluation.intervals import bootstrap
from churnfit.evaluation.ranking import auc_of, ladder
from churnfit.learning.baseline import hand_made_health, hand_made_probability
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.spec import BaselineMeasure, GateLimits

REPOSITORY = Path(__file__).resolve().parents[1]
HAND_MADE = {
    "seats": BaselineMeasure(weight=30, green=0.6, amber=0.4),
    "logins": BaselineMeasure(weight=25, green=10, amber=5),
    "first_value": BaselineMeasure(weight=25, green=15, amber=30),
    "survey": BaselineMeasure(weight=20, green=8, amber=6),
}
"""What a team may type in: four of the six measures that count, the right way round; tickets and plan forgotten."""

TOLERANCE = 0.02  # of the log-loss: the difference that matters, as the claim has it
LEAST_CARDS = 0.95
LEAST_RIGHT = 0.90
DRIFT = 0.25
LESS_ACTIVE = 0.85
LATER = 20_000  # accounts: the expected loss of a card wavers by less than 0.2 %
NO_MEASURE = "no measure tells more than its shuffled copies"
FIRST_SEED = 7_000_000  # the learner was developed on other ones


def loss(truth: np.ndarray, said: np.ndarray | float) -> float:
    """Return the log-loss per account that is expected of probabilities `said` where `truth` decides."""
    return float(-np.mean(truth * np.log(said) + (1 - truth) * np.log1p(-said)))


# --- cards ---


@dataclass(frozen=True)
class Later:
    """Accounts that come later, and their true churn probability."""

    table: pd.DataFrame
    truth: np.ndarray


@cache
def later(*, drifted: bool) -> Later:
    """Return accounts of the planted world, or of what it has become."""
    table = cohort(LATER, FIRST_SEED - 1)[0]
    if not drifted:
        return Later(table, churn_probability(table))
    table = table.assign(
        seats=(LESS_ACTIVE * table["seats"]).round(3), logins=np.floor(LESS_ACTIVE * table["logins"] + 0.5)
    )
    return Later(table, churn_probability(table, level=DRIFT))


def beside_hand_made(n: int, seed: int) -> dict[tuple[bool, bool], float]:
    """Return the card's log-loss over the hand-made card's, by whether it knew that card, and whether there is drift.

    What was refused is absent.
    """
    table, churned = cohort(n, seed)
    by_hand = hand_made_health(table, HAND_MADE)
    found = {}
    for told in (True, False):
        try:
            card = ScorecardClassifier(certify=0).fit(table, churned, prior_health=by_hand if told else None)
        except DataError:
            continue
        for drifted in (False, True):
            new = later(drifted=drifted)
            rival = hand_made_probability(by_hand, churned, hand_made_health(new.table, HAND_MADE))
            found[told, drifted] = loss(new.truth, card.predict_proba(new.table)[:, 1]) / loss(new.truth, rival)
    return found


def cards(cohorts: int, sizes: tuple[int, ...] = (60, 100, 150)) -> Iterator[bool]:
    """Print how cards of small cohorts do beside the hand-made card; yield whether each line holds."""
    print("Log-loss on later accounts over that of the hand-made card; share of cards within 1.02")
    columns = " ".join(f"{name:>7}" for name in ("cards", "refused", "share", "of all", "median", "worst"))
    print(f"{'n':>5} {'hand-made card':15} {'later':8} {columns}")
    for n in sizes:
        found = [beside_hand_made(n, FIRST_SEED + 10_000 * n + i) for i in range(cohorts)]
        for told in (True, False):
            for drifted in (False, True):
                ratios = np.array([one[told, drifted] for one in found if (told, drifted) in one])
                share = float(np.mean(ratios <= 1 + TOLERANCE)) if len(ratios) else float("nan")
                of_all = 1 - float(np.sum(ratios > 1 + TOLERANCE)) / cohorts
                numbers = (share, of_all, *((np.median(ratios), ratios.max()) if len(ratios) else (share, share)))
                line = f"{n:5} {'known' if told else 'not known':15} {'drifted' if drifted else 'as ever':8}"
                line += f" {len(ratios):7} {cohorts - len(ratios):7} " + " ".join(f"{x:7.3f}" for x in numbers)
                yield from _judged(line, share >= LEAST_CARDS if told else None)


# --- refusals ---


@dataclass(frozen=True)
class World:
    """A kind of cohort: how strong measures are, how many churn, and whether labels are dealt to other accounts."""

    strength: float
    churners: Callable[[int], float]  # expected, of n accounts
    sizes: tuple[int, ...]
    shuffled: bool = False
    least: int = 2  # churners of a cohort; others are drawn again
    most: int = sys.maxsize

    def level(self, n: int) -> float:
        """Return the churn logits of everybody that give `n` accounts that many churners."""
        return _level(self.strength, self.churners(n) / n)

    def cohort(self, n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
        """Return a cohort of this kind."""
        table, churned = cohort(n, seed, strength=self.strength, level=self.level(n))
        if not self.least <= churned.sum() <= self.most:
            return self.cohort(n, seed + 1_000_003)
        return table, np.random.default_rng(seed).permutation(churned) if self.shuffled else churned

    def truth(self, n: int) -> np.ndarray:
        """Return the true churn probability of the later accounts."""
        truth = churn_probability(later(drifted=False).table, strength=self.strength, level=self.level(n))
        return np.full(len(truth), truth.mean()) if self.shuffled else truth


@cache
def _level(strength: float, base_rate: float) -> float:
    table = later(drifted=False).table
    off = lambda level: churn_probability(table, strength=strength, level=level).mean() - base_rate  # noqa: E731
    return float(brentq(off, -12, 12))


WORLDS = {
    "strong signal": World(1.0, lambda n: 0.3 * n, (60, 100, 150, 300)),
    "weak signal": World(0.35, lambda n: 0.3 * n, (60, 100, 150, 300)),
    "shuffled labels": World(1.0, lambda n: 0.3 * n, (60, 100, 150, 300), shuffled=True),
    "3 to 11 churners": World(1.0, lambda n: 7.0, (40, 100, 200, 300), least=3, most=11),
}


@dataclass(frozen=True)
class Decision:
    """What the learner decided on one cohort, and what its card is worth: its log-loss over that of the base rate."""

    world: str
    refused: bool
    ratio: float
    learnable: bool

    @property
    def card_is(self) -> str:
        """How the card does beside the base rate."""
        if self.ratio > 1 + TOLERANCE:
            return "worse"
        return "better" if self.ratio < 1 - TOLERANCE else "alike"

    @property
    def right(self) -> bool:
        """Whether the other decision would not have saved more than the tolerance."""
        return self.card_is != "better" if self.refused else self.learnable and self.card_is != "worse"

    @property
    def right_without_tolerance(self) -> bool:
        """The same where an accepted card must be better than the base rate, by however little."""
        return self.right and (self.refused or self.ratio < 1)


def decision(name: str, n: int, seed: int) -> Decision:
    """Return the decision on a cohort of this kind."""
    world = WORLDS[name]
    table, churned = world.cohort(n, seed)
    card, why = learned(table, churned)
    card = card or withheld(table, churned, why)
    truth = world.truth(n)
    base = loss(truth, churned.mean())
    return Decision(
        world=name,
        refused=bool(why),
        ratio=loss(truth, card.predict_proba(later(drifted=False).table)[:, 1]) / base,
        learnable=loss(truth, truth) < (1 - TOLERANCE) * loss(truth, truth.mean()),
    )


def learned(table: pd.DataFrame, churned: np.ndarray) -> tuple[ScorecardClassifier | None, str]:
    """Return the card and nothing, or nothing and why it was refused."""
    try:
        card = ScorecardClassifier(certify=0).fit(table, churned)
    except DataError as refusal:
        return None, refusal.code
    return (card, "") if card.card_.measures else (None, NO_MEASURE)


def withheld(table: pd.DataFrame, churned: np.ndarray, why: str) -> ScorecardClassifier:
    """Return the card that would have been learned had there not been this reason to refuse it."""
    learner = ScorecardClassifier(certify=0, min_accounts=0, min_churned=0)
    if why != NO_MEASURE:
        return learner.fit(table, churned)
    with patch("churnfit.learning.selection.measures_with_evidence", _all_measures):
        return learner.fit(table, churned)


def _all_measures(_whole: object, curves: object, *_: object, **__: object) -> set[str]:
    return {plan.name for plan in curves.plans}  # type: ignore[attr-defined]


def refusals(cohorts: int) -> Iterator[bool]:
    """Print what was refused and what the cards are worth; yield whether each line holds."""
    decisions = []
    print("\nCohorts by decision, and by what their card is worth on later accounts, beside the base rate")
    print(f"{'':18} {'decision':9} {'better':>7} {'alike':>7} {'worse':>7} {'right':>7}")
    for at, (name, world) in enumerate(WORLDS.items()):
        seeds = range(FIRST_SEED + 1_000_000 * (at + 2), FIRST_SEED + 1_000_000 * (at + 2) + cohorts)
        of_world = [decision(name, world.sizes[i % len(world.sizes)], seed) for i, seed in enumerate(seeds)]
        for refused in (False, True):
            some = [one for one in of_world if one.refused == refused]
            seen = Counter(one.card_is for one in some)
            cells = " ".join(f"{seen[key]:7}" for key in ("better", "alike", "worse"))
            print(f"{name:18} {'refused' if refused else 'learned':9} {cells} {sum(one.right for one in some):7}")
        decisions += of_world
    refused_ones = [one for one in decisions if one.refused]
    yield from _judged(*_share("refusals that are right", [one.right for one in refused_ones], LEAST_RIGHT))
    yield from _judged(*_share("decisions that are right", [one.right for one in decisions], LEAST_RIGHT))
    strictly = [one.right_without_tolerance for one in decisions]
    yield from _judged(_share("… where every card learned must be better than the base rate", strictly, 0.0)[0], None)


# --- shuffled labels ---


def refused_as_shuffled(n: int, seed: int) -> tuple[bool, bool]:
    """Return whether the learner refuses a cohort whose labels were shuffled, and whether learner or gate does."""
    table, churned = cohort(n + 3 * n // 7, seed)
    churned = np.random.default_rng(seed).permutation(churned)
    card, _ = learned(table[:n], churned[:n])
    if card is None:
        return True, True
    said, came = card.predict_proba(table[n:])[:, 1], churned[n:].astype(float)
    auc = bootstrap(lambda w: {("auc",): auc_of(ladder(came, said, w))}, table.index[n:], n=400, random_state=0)
    return False, not auc["auc",].low >= GateLimits().min_auc_lower


def shuffled(cohorts: int, sizes: tuple[int, ...] = (100, 300, 1000, 2000)) -> Iterator[bool]:
    """Print how many cohorts of shuffled labels are refused; yield whether each line holds."""
    print("\nShuffled labels: share refused (below 100 churners the learner errs at a level of 10 %, the gate at 5 %)")
    for n in sizes:
        found = [refused_as_shuffled(n, FIRST_SEED + 10_000_000 + 10_000 * n + i) for i in range(cohorts)]
        alone, with_gate = (list(answers) for answers in zip(*found, strict=True))
        yield from _judged(_share(f"n = {n:,}: by the learner alone", alone, 0.0)[0], None)
        yield from _judged(*_share(f"n = {n:,}: by the learner or gate CF002", with_gate, LEAST_CARDS))


# --- RavenStack ---


def ravenstack() -> Iterator[bool]:
    """Print why RavenStack is refused; yield whether it is."""
    from churnfit.jobs.training import fit
    from churnfit.jobs.workspace import find_workspace

    data = REPOSITORY.parent / "shared" / "data"
    if not (data / "ravenstack").is_dir():
        print(f"\nRavenStack: skipped, {data}/ravenstack is not there")
        return
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "models", "ravenstack", "scorecard.toml")
        spec.parent.mkdir(parents=True)
        Path(folder, "churnfit.toml").write_text((REPOSITORY / "churnfit.toml").read_text("utf-8"), "utf-8")
        text = (REPOSITORY / "models" / "ravenstack" / "scorecard.toml").read_text("utf-8")
        spec.write_text(re.sub(r"\.\./shared/data", str(data), text), "utf-8")
        as_of = pd.Timestamp("2026-01-01", tz="UTC")
        try:
            verdict = fit(find_workspace(Path(folder)), "ravenstack", as_of=as_of, say=lambda _: None).verdict
        except DataError as refusal:
            closed, why = refusal.code == "CF103", [str(refusal)]
        else:
            why = [answer.code for answer in verdict.answers if answer.outcome == "failed"]
            closed = not verdict.passed and "CF002" in why
        yield from _judged(f"\nRavenStack is refused: {', '.join(why)}", closed)


# --- lines ---


def _share(title: str, answers: list[bool], least: float) -> tuple[str, bool]:
    """Return a line with the share of true answers and its 90 % interval, and whether it is at least `least`."""
    n, z = len(answers), 1.645
    share = sum(answers) / n if n else float("nan")
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)  # Wilson (1927)
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{title}: {share:.3f} ({low:.3f} to {high:.3f}), {sum(answers)} of {n}", share >= least


def _judged(line: str, holds: bool | None) -> Iterator[bool]:
    """Print a line and, unless it is only there to compare, whether it holds; yield that."""
    print(line + ("" if holds is None else "  pass" if holds else "  FAIL"), flush=True)
    if holds is not None:
        yield holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=100, help="cohorts per size, and per kind of world")
    parser.add_argument("--parts", default="cards,refusals,shuffled,ravenstack")
    parser.add_argument("--smoke", action="store_true", help="a cohort or four: that it runs, not what it says")
    given = parser.parse_args()
    answers: list[bool] = []
    if given.smoke:
        answers += [*cards(1, (60,)), *refusals(1), *shuffled(1, (100,))]
    else:
        parts = {
            "cards": lambda: cards(given.cohorts),
            "refusals": lambda: refusals(given.cohorts),
            "shuffled": lambda: shuffled(given.cohorts),
            "ravenstack": ravenstack,
        }
        for part in given.parts.split(","):
            answers += parts[part]()
    sys.exit(0 if given.smoke or all(answers) else 1)


if __name__ == "__main__":
    main()
