"""What the learner refuses to learn from, and why: said before any work is done."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from churnfit.errors import DataError, SpecError, count_and_examples
from churnfit.learning.folds import Cohort
from churnfit.learning.penalties import SHAPES
from churnfit.spec import nearest

__all__ = [
    "checked_weights",
    "refuse_endless",
    "refuse_one_class",
    "refuse_too_few",
    "refuse_uneven",
    "refuse_unknown_settings",
]


def checked_weights(sample_weight: ArrayLike | None, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the weight of each row of `frame` (n_rows,), 1 unless given.

    Raises
    ------
    DataError
        CF112 when a weight is negative, infinite or missing.
    """
    if sample_weight is not None:
        _refuse_bad_weights(np.asarray(sample_weight, dtype=np.float64))
    weight: NDArray[np.float64] = _check_sample_weight(sample_weight, frame, dtype=np.float64)
    return weight


def _refuse_bad_weights(weight: NDArray[np.float64]) -> None:
    bad = weight[~np.isfinite(weight) | (weight < 0)]
    if len(bad):
        raise DataError(
            "CF112",
            where="sample_weight",
            expected="finite weights >= 0",
            came=count_and_examples(bad),
            fix="Drop or mend those rows.",
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
    """Raise CF102 when nobody churned, or everybody did."""
    if len(np.unique(cohort.churned)) < 2:
        raise DataError(
            "CF102",
            where="y",
            expected="accounts that churned and accounts that stayed (2 classes)",
            came=f"1 class in {len(cohort.churned):,} rows of weight above 0",
            fix="Widen the cohort or lengthen the horizon.",
        )


def refuse_uneven(cohort: Cohort) -> None:
    """Raise CF202 when the hand-made health of a row is unknown; ValueError when a column has another length."""
    for column in (cohort.began, cohort.prior_health):
        if column is not None:
            check_consistent_length(column, cohort.frame)
    unknown = 0 if cohort.prior_health is None else int((~np.isfinite(cohort.prior_health)).sum())
    if unknown:
        raise DataError(
            "CF202",
            where="prior_health",
            expected="a finite health for every row",
            came=f"{unknown} rows without",
            fix="Give those rows the middle of the card.",
        )


def refuse_too_few(cohort: Cohort, min_accounts: int, min_churned: int) -> None:
    """Raise CF103 below `min_accounts` accounts, or `min_churned` churned ones."""
    accounts, lost = len(cohort.lost), int(cohort.lost.sum())
    if accounts < min_accounts or lost < min_churned:
        raise DataError(
            "CF103",
            where="the training cohort",
            expected=f"at least {min_accounts} accounts, {min_churned} of them churned",
            came=f"{accounts} accounts, {lost} of them churned",
            fix=f"Wait for {max(0, min_churned - lost)} more churners, widen the cohort or the horizon.",
        )


def refuse_unknown_settings(frame: pd.DataFrame, shapes: Mapping[str, str], segment_column: str | None) -> None:
    """Raise CF503 for a shape of nothing or a shape that is none, CF217 or CF212 for a segment column without text."""
    columns = [str(column) for column in frame.columns]
    for name, shape in shapes.items():
        if name not in columns or shape not in SHAPES:
            wrong, valid = (shape, sorted(SHAPES)) if name in columns else (name, columns)
            raise SpecError(
                "CF503",
                where=f"shapes[{name!r}]",
                expected="a measure of X and one of its shapes",
                came=repr(wrong),
                fix=f"Mend it; {nearest(wrong, valid)}.",
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
