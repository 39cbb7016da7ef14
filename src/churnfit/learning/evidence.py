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
from churnfit.learning.calibration import matched_intercept
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
_CHANCE_ROWS = 5_000  # what chance gains does not grow with the rows, so it is learned from so many


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
    some, stands_for = _some_accounts(cohort, rng)
    part = replace(
        whole,
        coded=whole.coded.take(some),
        churned=whole.churned[some],
        weight=whole.weight[some] * stands_for,
        prior_health=None,
    )
    account, n_churned = cohort.account[some], float(whole.weight @ whole.churned)
    chance = np.empty((rounds, len(part.coded.measures)))
    for gains in chance:
        copies = _copies(part.coded, dealt_to_others(account, rng), part)
        design = last_design(replace(part, coded=_beside(part.coded, copies)), path, settings)
        found = _gains(refit(design, part.churned, part.weight, penalty, n_churned=n_churned), part)
        gains[:] = [found.get(copy.name, 0.0) for copy in copies.measures]
    bar = _bars(chance, part.coded.measures, beaten)
    telling = {name for name, gain in _gains(curves, whole).items() if gain > bar[name]}
    if not cohort.few_churned:
        return telling
    telling = _heard_again(telling, bar, curves, whole, penalty=penalty)
    if cohort.lost.sum() >= _PLENTY * len(part.coded.measures):
        return telling
    return telling | _telling_alone(part, account, rng, settings, penalty=path[-1])


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
    return _matched_loss(np.zeros(len(rows.churned)), rows) - np.array([_matched_loss(logit, rows) for logit in said])


def _some_accounts(cohort: Cohort, rng: np.random.Generator) -> tuple[NDArray[np.intp], Floats]:
    """Return the rows of so many accounts, drawn at random, that they are about `_CHANCE_ROWS`; all where fewer.

    Where few churned, all of these are drawn, since by them chance gains what it gains; a row of the others then stands
    for more, which is the second answer (n_drawn,).
    """
    n_rows = len(cohort.groups)
    if n_rows <= _CHANCE_ROWS:
        return np.arange(n_rows), np.ones(n_rows)
    share = _CHANCE_ROWS / n_rows
    drawn = rng.random(len(cohort.lost)) < share
    stands_for = np.ones(len(cohort.lost))
    if cohort.few_churned:
        drawn |= cohort.lost
        stands_for[~cohort.lost] /= share
    rows = np.flatnonzero(drawn[cohort.account])
    return rows, stands_for[cohort.account[rows]]


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
        plan.name: _matched_loss(logit - row, rows) - loss for plan, row in zip(curves.plans, contributed, strict=True)
    }


def _matched_loss(logit: Floats, rows: CodedRows) -> float:
    """Return the loss of `logit` once predicted churners equal observed ones."""
    matched = logit + matched_intercept(logit, rows.churned, rows.weight)
    return log_loss_sum(matched, rows.churned, rows.weight)
