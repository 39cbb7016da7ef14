"""What the learner refuses to learn from, and why: said before any work is done.

A small cohort must also tell more than chance: below some 100 churners a card of noise costs what matters, and its
reader cannot see which card he holds. The test is exact for any size: labels are dealt to other accounts, and what the
measures say of these is the yardstick.

References
----------
Westfall and Young (1993), "Resampling-based multiple testing": the smallest of several permutation p-values, judged by
the same permutations. Goeman, van de Geer, de Kort and van Houwelingen (2004), "A global test for groups of genes":
one test for many measures that each tell a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from churnfit.errors import DataError, SpecError, count_and_examples
from churnfit.learning.codes import MeasureBins, learn_bins
from churnfit.learning.folds import Cohort, dealt_to_others
from churnfit.learning.penalties import SHAPES, Settings
from churnfit.spec import nearest

__all__ = [
    "chance_probability",
    "checked_weights",
    "refuse_bad_numbers",
    "refuse_endless",
    "refuse_one_class",
    "refuse_too_few",
    "refuse_twins",
    "refuse_undated",
    "refuse_uneven",
    "refuse_unknown_health",
    "refuse_unknown_settings",
]

Floats: TypeAlias = NDArray[np.float64]

_BY_CHANCE = 0.1  # one in ten cohorts without signal is learned from: drawn to the base rate its card costs little
_CHANCE_IS_CHEAP = 100  # churned accounts: what is learned from chance then costs less than 2 % of the log-loss
_DEALS = 199  # with the truth 200: a share of 0.1 is exact, and wavers by 0.02
_FLAT = 1e-6  # standard deviations below which a contrast is none
_LEAST = {"max_knots": 2, "max_levels": 2, "folds": 2, "min_accounts": 0, "min_churned": 0, "pairs": 0, "certify": 0}


def checked_weights(
    given: ArrayLike | None, frame: pd.DataFrame, *, where: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return the weight of each row of `frame` (n_rows,), 1 unless `given`; `where` names it in an error.

    Raises
    ------
    DataError
        CF112 when a weight is negative, infinite or missing.
    """
    if given is not None:
        _refuse_bad_weights(np.asarray(given, dtype=np.float64), where)
    weight: NDArray[np.float64] = _check_sample_weight(given, frame, dtype=np.float64)
    return weight


def _refuse_bad_weights(weight: NDArray[np.float64], where: str) -> None:
    bad = weight[~np.isfinite(weight) | (weight < 0)]
    if len(bad):
        raise DataError(
            "CF112",
            where=where,
            expected="finite weights >= 0",
            came=count_and_examples(bad),
            fix="Drop or mend those rows.",
        )


def refuse_twins(frame: pd.DataFrame) -> None:
    """Raise CF218 when two columns of `frame` have one name."""
    twins = frame.columns[frame.columns.duplicated()]
    if len(twins):
        raise DataError(
            "CF218",
            where="X",
            expected="columns of different names",
            came=f"a second {count_and_examples(twins)}",
            fix="Rename or drop one of each.",
        )


def refuse_endless(frame: pd.DataFrame) -> None:
    """Raise CF202 when a number of `frame` is infinite."""
    numbers = frame.select_dtypes("number")
    endless = numbers.columns[np.isinf(numbers.to_numpy(dtype=np.float64, na_value=np.nan)).any(axis=0)]
    if len(endless):
        raise DataError(
            "CF202",
            where="X",
            expected="finite numbers or gaps",
            came=f"infinite values in {count_and_examples(endless)}",
            fix="A ratio was divided by 0: make it a gap.",
        )


def refuse_one_class(cohort: Cohort) -> None:
    """Raise CF102 when nobody churned, or everybody did, of the rows that count."""
    counting = cohort.weight > 0
    if len(np.unique(cohort.churned[counting])) < 2:
        raise DataError(
            "CF102",
            where="y",
            expected="accounts that churned and accounts that stayed (2 classes)",
            came=f"1 class in {counting.sum():,} rows of weight above 0",
            fix="Widen the cohort or lengthen the horizon.",
        )


def refuse_uneven(cohort: Cohort) -> None:
    """Raise ValueError when a column has another length than the table."""
    for column in (cohort.began, cohort.prior_health):
        if column is not None:
            check_consistent_length(column, cohort.frame)


def refuse_undated(began: NDArray[np.datetime64] | None) -> None:
    """Raise CF202 when it is unknown when the stage of a row `began`."""
    unknown = 0 if began is None else int(np.isnat(began).sum())
    if unknown:
        raise DataError(
            "CF202",
            where="began",
            expected="a moment for every row",
            came=f"{unknown} rows without",
            fix="Give those rows the day of their snapshot, or leave `began` out.",
        )


def refuse_unknown_health(health: Floats | None) -> None:
    """Raise CF202 when the hand-made `health` of a row is unknown."""
    unknown = 0 if health is None else int((~np.isfinite(health)).sum())
    if unknown:
        raise DataError(
            "CF202",
            where="prior_health",
            expected="a finite health for every row",
            came=f"{unknown} rows without",
            fix="Give those rows the middle of the card.",
        )


def refuse_too_few(cohort: Cohort, min_accounts: int, min_churned: int) -> None:
    """Raise CF103 below `min_accounts` accounts or `min_churned` churned ones, or where few tell no more than chance.

    A `min_churned` of 0 asks for neither churners nor signal.
    """
    accounts, lost = len(cohort.lost), int(cohort.lost.sum())
    short = {"accounts": min_accounts - accounts, "churners": min_churned - lost}
    lacking = [f"{number} more {what}" for what, number in short.items() if number > 0]
    if lacking:
        raise DataError(
            "CF103",
            where="the training cohort",
            expected=f"at least {min_accounts} accounts, {min_churned} of them churned",
            came=f"{accounts} accounts, {lost} of them churned",
            fix=f"Wait for {' and '.join(lacking)}, widen the cohort or the horizon.",
        )
    if not min_churned or lost >= _CHANCE_IS_CHEAP:
        return
    chance = chance_probability(cohort)
    if chance > _BY_CHANCE:
        raise DataError(
            "CF103",
            where="the training cohort",
            expected=f"measures that tell {lost} churned accounts from the others beyond chance",
            came=f"what {100 * chance:.0f} of 100 deals of the same labels to other accounts show as well",
            fix="Wait for more churners, widen the cohort or the horizon, or measure what drives churn.",
        )


def chance_probability(cohort: Cohort) -> float:
    """Return the share of deals of the labels to other accounts in which measures tell as much as in truth.

    Two questions, and a third where there is a hand-made card: do all measures together tell churners apart, does one
    of them, does the hand-made health? The best answer counts, against the best answer of every deal.
    """
    rng = np.random.default_rng(0)
    residual = cohort.weight * (cohort.churned - cohort.base_rate)
    deals = [residual, *(residual[dealt_to_others(cohort.account, rng)] for _ in range(_DEALS))]
    binning = learn_bins(cohort.frame, cohort.weight)
    contrasts = [_contrasts(*one) for one in zip(binning.measures, binning.encode(cohort.frame), strict=True)]
    told = np.array([_told(one, deals) for one in contrasts if one.shape[1]])
    answers = [told.sum(axis=0), told.max(axis=0)] if len(told) else []
    if cohort.prior_health is not None:
        answers.append(-np.array([_standard(cohort.prior_health) @ deal for deal in deals]))
    if not answers:
        return 1.0
    best = np.min([_share_as_large(answer) for answer in answers], axis=0)
    return float((best <= best[0]).mean())


def _contrasts(measure: MeasureBins, bins: NDArray[np.int32]) -> Floats:
    """Return a measure as orthonormal columns (n_rows, n_contrasts): rank and bend of numbers, levels, states."""
    valued = (bins >= 0) & (bins < measure.n_bins)
    if measure.numeric:
        rank = np.zeros(len(bins))
        rank[valued] = _standard(rankdata(bins[valued]))
        columns = [rank, np.where(valued, rank**2, 0.0)]
    else:
        columns = [bins == level for level in range(measure.n_bins)]
    columns += [bins == measure.n_bins + state for state in range(len(measure.states))]
    table = np.column_stack(columns).astype(np.float64)
    basis, size, _ = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    return np.asarray(basis[:, size > _FLAT * np.sqrt(len(bins))])


def _told(contrasts: Floats, deals: list[Floats]) -> Floats:
    """Return what a measure tells of each deal of the labels: a chi-square less its expectation, in its errors."""
    freedom = contrasts.shape[1]
    told = np.array([((contrasts.T @ deal) ** 2).sum() for deal in deals]) / deals[0].var()
    standard: Floats = (told - freedom) / np.sqrt(2.0 * freedom)
    return standard


def _share_as_large(answer: Floats) -> Floats:
    """Return for every deal the share of deals whose answer is at least as large."""
    return rankdata(-np.round(answer, 9), method="max") / len(answer)


def _standard(values: Floats) -> Floats:
    alike = not len(values) or np.ptp(values) == 0
    return np.zeros(len(values)) if alike else (values - values.mean()) / values.std()


def refuse_bad_numbers(settings: Mapping[str, Any]) -> None:
    """Raise CF503 for a number of the learner's `settings` that is too small, and for penalties that are none."""
    for name, least in _LEAST.items():
        if not settings[name] >= least:  # NaN is none either
            raise SpecError(
                "CF503", where=name, expected=f"{least} or more", came=repr(settings[name]), fix="Leave it out."
            )
    penalties = list(settings["penalties"])
    if not penalties or not all(0 < price < np.inf for price in penalties):
        raise SpecError(
            "CF503",
            where="penalties",
            expected="one or more finite numbers above 0",
            came=count_and_examples(penalties),
            fix="Leave it out.",
        )


def refuse_unknown_settings(frame: pd.DataFrame, settings: Settings, segment_column: str | None) -> None:
    """Raise CF503 for names of nothing; CF217 or CF212 for a segment column without text."""
    columns = [str(column) for column in frame.columns]
    for name, shape in settings.shapes.items():
        _refuse_unknown(name, columns, where=f"shapes[{name!r}]", expected="a measure of X")
        _refuse_unknown(shape, sorted(SHAPES), where=f"shapes[{name!r}]", expected="one of the shapes")
    if settings.order is not None:
        for name in settings.order.group_of:
            _refuse_unknown(name, columns, where=f"measure_groups[{name!r}]", expected="a measure of X")
        groups = sorted(set(settings.order.group_of.values()))
        _refuse_unknown(
            settings.order.heaviest, groups, where="heaviest_group", expected="one of the groups in measure_groups"
        )
    if segment_column is None:
        return
    if segment_column not in columns:
        raise DataError(
            "CF217",
            where="X",
            expected=f"a column '{segment_column}' (segment_column)",
            came="none",
            fix=f"Add it; {nearest(segment_column, columns)}.",
        )
    if frame[segment_column].dtype != object:
        raise DataError(
            "CF212",
            where=f"segment column '{segment_column}'",
            expected="text",
            came=f"{frame[segment_column].dtype}",
            fix="Give each segment a name.",
        )


def _refuse_unknown(name: str, valid: list[str], *, where: str, expected: str) -> None:
    if name not in valid:
        raise SpecError(
            "CF503", where=where, expected=expected, came=repr(name), fix=f"Mend it; {nearest(name, valid)}."
        )
