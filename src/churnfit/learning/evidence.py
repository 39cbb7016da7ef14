"""Evidence: which measures tell more than chance does.

Every measure is copied and its values are dealt out to other accounts: whatever a copy gains is chance, found by the
same search over shapes and knots that found the measure's own gain.

References
----------
Kursa and Rudnicki (2010), "Feature selection with the Boruta package": shuffled copies as the yardstick; here with the
gain in likelihood, which is additive and knows its unit. Peduzzi et al. (1996), "A simulation study of the number of
events per variable in logistic regression analysis": below ten, what a joint fit says of one measure is little worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import log_loss_sum
from churnfit.learning.calibration import matched_loss
from churnfit.learning.codes import Binning, Coded, MeasureBins, ordered_by_risk
from churnfit.learning.folds import Cohort, dealt_to_others
from churnfit.learning.joint import Curves, refit
from churnfit.learning.penalties import CodedRows, Settings, last_design, tables_alone

__all__ = ["measures_with_evidence"]

Floats: TypeAlias = NDArray[np.float64]

_ROUNDS = 20  # copies of each measure: with fewer a quantile of them means little
_BEATEN = 0.93  # share of the copies of its own, and of those of its kind, that a measure must beat
_ROUNDS_OF_FEW = 60  # a fit of few costs little, and a bar that is better known keeps as little noise where it is lower
_BEATEN_OF_FEW = 0.92
_PLENTY = 10  # churned accounts for each measure: of fewer a joint fit knows little
_ROUNDS_ALONE = 100  # copies that are heard alone, which costs less than beside all others
_BEATEN_ALONE = 0.99  # what others say as well is no chance: it must be plain before it is on the card twice
_CHANCE_ROWS = 5_000  # what chance gains is learned from so many


def measures_with_evidence(
    whole: CodedRows, curves: Curves, cohort: Cohort, path: Sequence[float], settings: Settings, *, penalty: float
) -> set[str]:
    """Return the measures that tell more than nearly all shuffled copies do.

    A copy has the values of a measure, dealt out to other accounts: whatever it gains is chance. A measure is held
    against its own copies, since more levels or bins find more by chance, and against all of its kind, numbers or
    categories, which are more. Where few churned, measures that fail are heard again beside those that stay. Where
    fewer churned than ten for each measure, those stay as well that tell plainly alone: which one the joint fit takes
    of several that say the same is chance then, and their average is worth more than any.
    """
    rounds, beaten = (_ROUNDS_OF_FEW, _BEATEN_OF_FEW) if cohort.few_churned else (_ROUNDS, _BEATEN)
    settings = replace(
        settings, shapes={**settings.shapes, **{_copied(name): s for name, s in settings.shapes.items()}}
    )
    rng = np.random.default_rng(settings.random_state)
    some, part = _where_chance_is_learned(whole, cohort, rng)
    price = float(np.sqrt(part.weight.sum() / whole.weight.sum()))
    account, n_churned = cohort.account[some], float(whole.weight @ whole.churned)
    chance = np.empty((rounds, len(part.coded.measures)))
    for gains in chance:
        copies = _copies(part.coded, dealt_to_others(account, rng), part)
        design = last_design(
            replace(part, coded=_beside(part.coded, copies)), [price * step for step in path], settings
        )
        found = _gains(refit(design, part.churned, part.weight, price * penalty, n_churned=n_churned), part)
        gains[:] = [found.get(copy.name, 0.0) for copy in copies.measures]
    bar = _bars(chance, part.coded.measures, beaten)
    telling = {name for name, gain in _gains(curves, whole).items() if gain > bar[name]}
    if not cohort.few_churned:
        return telling
    telling = _heard_again(telling, bar, curves, whole, penalty=penalty)
    if cohort.lost.sum() >= _PLENTY * len(part.coded.measures):
        return telling
    return telling | _telling_alone(part, account, rng, settings, penalty=price * path[-1])


def _bars(chance: Floats, measures: Sequence[MeasureBins], beaten: float) -> dict[str, float]:
    """Return the gain that each measure must pass, given those of its copies (n_rounds, n_measures)."""
    numeric = np.array([measure.numeric for measure in measures])
    of_kind = {kind: float(np.quantile(chance[:, numeric == kind], beaten)) for kind in set(numeric.tolist())}
    own = np.quantile(chance, beaten, axis=0)
    return {
        measure.name: max(of_kind[measure.numeric], bar) for measure, bar in zip(measures, own.tolist(), strict=True)
    }


def _heard_again(
    telling: set[str], bar: Mapping[str, float], curves: Curves, rows: CodedRows, *, penalty: float
) -> set[str]:
    """Return `telling` and, one after the other, what passes its bar once the others have left.

    Of two measures that say the same neither adds much to the other: judged at once, both would leave.
    """
    while True:
        beyond = {}
        for name in sorted({plan.name for plan in curves.plans} - telling):
            alone = refit(curves.design.only(telling | {name}), rows.churned, rows.weight, penalty)
            beyond[name] = _gains(alone, rows)[name] - bar[name]
        best = max(beyond, key=beyond.__getitem__, default=None)
        if best is None or beyond[best] <= 0:
            return telling
        telling = telling | {best}


def _telling_alone(
    rows: CodedRows, account: NDArray[np.intp], rng: np.random.Generator, settings: Settings, *, penalty: float
) -> set[str]:
    """Return the measures that tell more than nearly all of their shuffled copies when there is no other."""
    chance = np.empty((_ROUNDS_ALONE, len(rows.coded.measures)))
    for gains in chance:
        copies = _copies(rows.coded, dealt_to_others(account, rng), rows)
        gains[:] = _gains_alone(replace(rows, coded=copies), settings, penalty=penalty)
    bar = _bars(chance, rows.coded.measures, _BEATEN_ALONE)
    found = _gains_alone(rows, settings, penalty=penalty)
    return {name for (name, least), gain in zip(bar.items(), found, strict=True) if gain > least}


def _gains_alone(rows: CodedRows, settings: Settings, *, penalty: float) -> Floats:
    """Return the log-likelihood units by which each measure alone says more than the base rate (n_measures,)."""
    said = [table[codes] for table, codes in zip(tables_alone(rows, penalty, settings), rows.coded.codes, strict=True)]
    return matched_loss(np.zeros(len(rows.churned)), rows.churned, rows.weight) - np.array(
        [matched_loss(logit, rows.churned, rows.weight) for logit in said]
    )


def _where_chance_is_learned(
    whole: CodedRows, cohort: Cohort, rng: np.random.Generator
) -> tuple[NDArray[np.intp], CodedRows]:
    """Return which rows teach what chance gains, and those rows: about `_CHANCE_ROWS`, or all where there are no more.

    Accounts are drawn at random, but of those that churned up to half of the rows: by these chance gains what it gains.
    Each row stands for as many as were not drawn, and all for less, so that noise and information of the gradient are
    in the same proportion as in all rows. Chance then gains the same, if movement costs less by the root of what the
    rows weigh: noise grows with that root, the price of movement does not.
    """
    n_rows = len(cohort.groups)
    if n_rows <= _CHANCE_ROWS:
        return np.arange(n_rows), replace(whole, prior_health=None)
    n_lost = int(cohort.lost[cohort.account].sum())
    of_lost = min(1.0, _CHANCE_ROWS / 2 / max(n_lost, 1))
    of_others = min(1.0, (_CHANCE_ROWS - of_lost * n_lost) / max(n_rows - n_lost, 1))
    share = np.where(cohort.lost, of_lost, of_others)
    rows = np.flatnonzero((rng.random(len(share)) < share)[cohort.account])
    drawn = replace(
        whole,
        coded=whole.coded.take(rows),
        churned=whole.churned[rows],
        weight=whole.weight[rows] / share[cohort.account[rows]],
        prior_health=None,
    )
    return rows, replace(drawn, weight=drawn.weight * _noise(whole) / _noise(drawn))


def _noise(rows: CodedRows) -> float:
    """Return the variance of a gradient at the base rate over its curvature: 1 where all rows weigh 1."""
    base = np.average(rows.churned, weights=rows.weight)
    noise = float(rows.weight**2 @ (rows.churned - base) ** 2)
    return noise / float(rows.weight.sum() * base * (1 - base))


def _copies(real: Coded, givers: NDArray[np.intp], whole: CodedRows) -> Coded:
    """Return the measures with their values dealt out to other accounts, categories in order of their own risk."""
    named = Binning(tuple(replace(measure, name=_copied(measure.name)) for measure in real.measures))
    return ordered_by_risk(named, real.codes[:, givers], whole.churned, whole.weight)


def _beside(real: Coded, copies: Coded) -> Coded:
    return Coded(
        measures=(*real.measures, *copies.measures),
        codes=np.vstack([real.codes, copies.codes]),
        bins=np.vstack([real.bins, copies.bins]),
        recodes=(*real.recodes, *copies.recodes),
    )


def _copied(name: str) -> str:
    return f"{name} (shuffled)"


def _gains(curves: Curves, rows: CodedRows) -> dict[str, float]:
    """Return the log-likelihood units by which each curve serves: the loss of the card without it, less its own."""
    contributed = curves.contributions(curves.design.codes)
    logit = contributed.sum(axis=0) + curves.intercept
    loss = log_loss_sum(logit, rows.churned, rows.weight)
    return {
        plan.name: matched_loss(logit - row, rows.churned, rows.weight) - loss
        for plan, row in zip(curves.plans, contributed, strict=True)
    }
