"""What a card asks of a table: its columns, their types, and the one place where types are decided."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.points import Categorical, text_values
from churnfit.tables import STATE_SUFFIX

__all__ = ["coerce", "input_columns"]


def input_columns(card: Scorecard) -> dict[str, tuple[str, bool]]:
    """Return name → (``double`` or ``string``, required) of every column the card reads."""
    columns: dict[str, tuple[str, bool]] = {}
    lines = {measure.name: measure for measure in card.measures}
    grouped = {cells.measure for pair in card.pairs for cells in (pair.first, pair.second) if cells.groups}
    for name in card.read:
        text = name in grouped or (name in lines and isinstance(lines[name].curve, Categorical))
        columns[name] = ("string" if text else "double", True)
        if name != "segment":  # a member of a pair, but no measure: nothing says why it is missing
            columns[name + STATE_SUFFIX] = ("string", False)
    columns.setdefault("segment", ("string", False))
    return columns


def coerce(card: Scorecard, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the card's columns of `frame`: numbers as float64, text as str, gaps kept, absent ones left out."""
    coerced = {}
    for name, (kind, _) in input_columns(card).items():
        if name not in frame:
            continue
        column = frame[name]
        if kind == "double":
            coerced[name] = pd.Series(pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan), index=column.index)
        else:
            coerced[name] = pd.Series(text_values(column), index=column.index, dtype="object")
    return pd.DataFrame(coerced, index=frame.index)
