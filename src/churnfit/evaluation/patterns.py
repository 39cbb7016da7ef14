"""Early patterns: what already differs, on each landmark day, between the accounts that will churn and the others.

A description of the past, before anything is learned jointly: one measure at a time, so measures that go together all
show. How far a measure tells the two apart is the AUC of its churn rates, learned on the accounts that began first and
judged on the other half: two-sided measures, categories and missing states count alike, chance comes out as 0.5, and a
difference that did not last does not count. Of measures without any difference about one in twenty is still said to
tell, on each day.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.evaluation.intervals import Interval, Key, bootstrap
from churnfit.evaluation.ranking import auc_of, ladder
from churnfit.spec import ScorecardSpec
from churnfit.tables import STATE_SUFFIX

__all__ = ["early_patterns"]

_BINS = 5  # of equally many values: enough to see two sides, few enough for a rate each
_RESAMPLES = 200
_SEED = 7
_PRIOR_ROWS = 2.0  # at the base rate, beside each bin's own: one account alone is no rate
_FEWEST = 10  # churners, and others, in each half; of fewer no measure can be said to tell them apart

_COLUMNS = [
    "measure", "stage_day", "stayed_rows", "churned_rows", "stayed_low", "stayed", "stayed_high", "churned_low",
    "churned", "churned_high", "stayed_gaps", "churned_gaps", "auc_low", "auc", "auc_high", "tells",
]  # fmt: skip


def early_patterns(rows: pd.DataFrame, spec: ScorecardSpec) -> pd.DataFrame:
    """Return how churned and other accounts differ: a row per measure and landmark day.

    Parameters
    ----------
    rows : DataFrame
        Matured snapshot rows, one per account and ``stage_day``, with ``started_at`` and ``churned`` (0 or 1).
    spec : ScorecardSpec
        Names the measures.

    Returns
    -------
    DataFrame
        Key measure, stage_day: measures in order of the earliest day on which they tell the two apart, then of the
        largest AUC; days ascending. stayed_rows, churned_rows; stayed_low, stayed, stayed_high (quartiles of the
        values, NaN of text) and the same of the churned; stayed_gaps, churned_gaps (shares without a value); auc_low,
        auc, auc_high (0.5: no difference; 90 % interval; NaN where fewer than ten churned or stayed in either half);
        tells (auc_low is above 0.5).
    """
    found = [
        _on_a_day(name, day, rows[rows["stage_day"] == day].sort_values(["started_at", "account_id"]))
        for name in spec.measures
        for day in sorted(map(int, rows["stage_day"].unique()))
    ]
    table = pd.DataFrame(found, columns=_COLUMNS)
    first = table["stage_day"].where(table["tells"]).groupby(table["measure"]).transform("min")
    best = table["auc"].groupby(table["measure"]).transform("max")
    order = table.assign(first=first.fillna(np.inf), best=-best.fillna(0.0), place=range(len(table)))
    return table.loc[order.sort_values(["first", "best", "place"]).index].reset_index(drop=True)


def _on_a_day(name: str, day: int, rows: pd.DataFrame) -> dict[str, Any]:
    left = rows["churned"].to_numpy() == 1
    values = rows[name]
    auc = _auc(rows, name, left)
    return {
        "measure": name,
        "stage_day": day,
        "stayed_rows": int((~left).sum()),
        "churned_rows": int(left.sum()),
        **_quartiles("stayed", values[~left]),
        **_quartiles("churned", values[left]),
        "stayed_gaps": float(values[~left].isna().mean()),
        "churned_gaps": float(values[left].isna().mean()),
        "auc_low": auc.low,
        "auc": auc.estimate,
        "auc_high": auc.high,
        "tells": auc.low > 0.5,
    }


def _quartiles(name: str, values: pd.Series) -> dict[str, float]:
    known = values.dropna() if pd.api.types.is_numeric_dtype(values) else values.iloc[:0].astype("float64")
    low, median, high = known.quantile([0.25, 0.5, 0.75])
    return {f"{name}_low": low, name: median, f"{name}_high": high}


def _auc(rows: pd.DataFrame, name: str, left: NDArray[np.bool_]) -> Interval:
    """Return the AUC on the newer half of the accounts, of churn rates by bin of the older half."""
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    newer = np.arange(len(rows)) >= len(rows) // 2
    if min((left[side] == churned).sum() for side in (newer, ~newer) for churned in (True, False)) < _FEWEST:
        return unknown
    bins, churned = _bins(rows, name), left.astype(np.float64)
    seen = pd.Series(churned[~newer]).groupby(bins[~newer]).agg(["sum", "count"])
    base = churned[~newer].mean()
    rate = (seen["sum"] + _PRIOR_ROWS * base) / (seen["count"] + _PRIOR_ROWS)
    rates = pd.Series(bins[newer]).map(rate).fillna(base).to_numpy(dtype=np.float64)

    def statistic(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        return {("auc",): auc_of(ladder(churned[newer], rates, weights))}

    return bootstrap(statistic, rows["account_id"][newer], n=_RESAMPLES, random_state=_SEED)[("auc",)]


def _bins(rows: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return the bin of each row (n,): fifths of the numbers, the categories of text, and each missing state.

    A number that ends a fifth is a bin of its own: the commonest count stands apart from the rarer on both sides.
    """
    values = rows[name]
    states = rows.get(name + STATE_SUFFIX)
    gaps = pd.Series("gap", index=rows.index) if states is None else "gap: " + states.fillna("missing").astype(str)
    if pd.api.types.is_numeric_dtype(values):
        edges = np.unique(values.dropna().quantile(np.linspace(0, 1, _BINS + 1)[1:-1]))
        numbers = values.to_numpy(np.float64)
        below, up_to = (np.searchsorted(edges, numbers, side=side) for side in ("left", "right"))
        values = pd.Series(below + up_to, index=rows.index)
    found: NDArray[np.object_] = values.astype(object).where(rows[name].notna(), gaps).to_numpy(dtype=object)
    return found
