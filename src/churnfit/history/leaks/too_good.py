"""Measures that separate churners too well alone: usually a consequence of churn, written back into the past."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnfit.errors import DataError
from churnfit.history.leaks.chance import CHURNERS_NEEDED, auc_of
from churnfit.history.rules import Finding
from churnfit.spec import ScorecardSpec
from churnfit.tables import STATE_SUFFIX

__all__ = ["suspects"]

_TOO_GOOD = 0.97
"""No single honest measure of behaviour reaches this AUC on public churn tables; fields edited after churn do."""


def suspects(training: pd.DataFrame, spec: ScorecardSpec) -> list[Finding]:
    """Return a finding for each measure that separates churners too well alone, in the spec's order.

    Looked at are the value, each missing state, and for text the churn rate of its categories, learned on one half of
    the accounts and judged on the other. Measures with ``leak_checked`` are not looked at.

    Parameters
    ----------
    training : pandas.DataFrame
        Matured rows: a snapshot with its ``churned`` (0 or 1).
    spec : ScorecardSpec
        Names the measures.

    Raises
    ------
    DataError
        CF217 when `training` lacks ``churned`` or a measure.
    """
    for name in ("account_id", "churned", *spec.measures):
        if name not in training.columns:
            raise DataError(
                "CF217",
                where="training rows",
                expected=f"a column '{name}'",
                came="none",
                fix="Join the snapshot with its labels.",
            )
    churned = training["churned"].to_numpy("float64")
    findings = []
    for name, measure in spec.measures.items():
        if measure.leak_checked:
            continue
        best = max(_separations(training, name, churned), default=(0.5, ""))
        if best[0] >= _TOO_GOOD:
            findings.append(
                Finding(
                    code="CF109",
                    severity="error",
                    where=f"measures.{name}",
                    expected=f"no measure that separates churners alone (AUC below {_TOO_GOOD})",
                    came=f"{best[1]} alone has AUC {best[0]:.3f} on {len(training):,} rows",
                    fix="Find out when it is written: if because of churn, remove it; else set leak_checked = true.",
                )
            )
    return findings


def _separations(training: pd.DataFrame, name: str, churned: np.ndarray) -> list[tuple[float, str]]:
    """Return (AUC in its better direction, what has it) for everything the measure could give away."""
    column = training[name]
    found = []
    if pd.api.types.is_numeric_dtype(column.dtype):
        filled = column.notna().to_numpy()
        found.append((_auc(column[filled].to_numpy("float64"), churned[filled]), "its value"))
    else:
        found.append((_auc(_rates_elsewhere(training, name, churned), churned), "the churn rate of its categories"))
    if name + STATE_SUFFIX in training.columns:
        states = training[name + STATE_SUFFIX]
        for state in sorted(states.dropna().unique()):
            found.append((_auc((states == state).to_numpy("float64"), churned), f"its state '{state}'"))
    missing = column.isna().to_numpy("float64")
    found.append((_auc(missing, churned), "that it is missing"))
    return found


def _rates_elsewhere(training: pd.DataFrame, name: str, churned: np.ndarray) -> np.ndarray:
    """Return each row's churn rate of its category in the other half of the accounts; the base rate if unseen there."""
    half = pd.factorize(training["account_id"], sort=True)[0] % 2
    categories = training[name].fillna("").to_numpy()
    rates = np.full(len(training), churned.mean())
    for side in (0, 1):
        there, here = half != side, half == side
        if there.any() and here.any():
            known = pd.Series(churned[there]).groupby(categories[there]).mean()
            rates[here] = pd.Series(categories[here]).map(known).fillna(churned[there].mean()).to_numpy("float64")
    return rates


def _auc(score: np.ndarray, churned: np.ndarray) -> float:
    """Return the AUC in the better direction; 0.5 where there are too few rows of a class."""
    positive = churned == 1
    if min(positive.sum(), len(churned) - positive.sum()) < CHURNERS_NEEDED:
        return 0.5
    area = auc_of(score, positive)
    return max(area, 1 - area)
