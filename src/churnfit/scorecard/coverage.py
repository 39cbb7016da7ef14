"""What share of a card's weight is backed by data: which missing states are knowledge, and which no data could fill."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.tables import STATE_SUFFIX

__all__ = ["INAPPLICABLE_STATES", "KNOWN_STATES", "backed_share", "state_texts"]

Floats: TypeAlias = NDArray[np.float64]

KNOWN_STATES = frozenset({"never"})  # states that are a fact about the account, not a gap in the data
INAPPLICABLE_STATES = frozenset({"not_due", "not_applicable"})  # states that no data could fill


def state_texts(states: pd.Series | None, n_rows: int) -> NDArray[np.object_]:
    """Return the state of each gap (n_rows,), "missing" where none is given."""
    if states is None:
        return np.full(n_rows, "missing", dtype=object)
    return states.astype(object).where(states.notna(), "missing").to_numpy(dtype=object)


def backed_share(lines: Iterable[tuple[float, tuple[str, ...]]], snapshot: pd.DataFrame) -> Floats:
    """Return the share of applicable weight that is backed by data, 0–1 (n_rows,).

    `lines` are weights, each with the columns behind it: a pair is known where both its members are.
    """
    backed = np.zeros(len(snapshot))
    applicable = np.zeros(len(snapshot))
    for weight, names in lines:
        known = applies = np.ones(len(snapshot), dtype=bool)
        for name in names:
            gone = snapshot[name].isna().to_numpy()
            state = state_texts(snapshot.get(name + STATE_SUFFIX), len(snapshot))
            known = known & (~gone | np.isin(state, list(KNOWN_STATES)))
            applies = applies & (~gone | ~np.isin(state, list(INAPPLICABLE_STATES)))
        backed += weight * (known & applies)
        applicable += weight * applies
    return np.where(applicable > 0, backed / np.maximum(applicable, 1e-9), 0.0)
