"""The registered model: the card's JSON, checked, behind MLflow's pyfunc interface. No pickle.

MLflow imports this module by name and calls `_load_pyfunc`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from churnfit.errors import IntegrityError
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import coerce

__all__ = ["checked_card"]


def checked_card(path: Path, sha256: str) -> Scorecard:
    """Return the card in `path`, its bytes checked against `sha256`; CF601 when somebody changed them."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise IntegrityError(
            "CF601",
            where=path.name,
            expected=f"SHA-256 {sha256[:16]}…",
            came=f"{found[:16]}…",
            fix="Somebody changed the artifact: roll back, or refit.",
        )
    return Scorecard.from_json(path.read_text(encoding="utf-8"))


class _Model:
    """What MLflow's pyfunc calls: a snapshot in, health, churn probability and band out."""

    def __init__(self, card: Scorecard) -> None:
        self.card = card

    def predict(self, snapshot: pd.DataFrame, params: Mapping[str, object] | None = None) -> pd.DataFrame:
        """Return health, churn_probability and band of each row."""
        frame = coerce(self.card, snapshot)
        health = self.card.health(frame)
        probability = self.card.probability_of(health, frame.get("segment"))
        columns = {"health": health, "churn_probability": probability, "band": self.card.bands.band(health)}
        return pd.DataFrame(columns, index=snapshot.index)


def _load_pyfunc(path: str) -> _Model:
    """Return the model in `path` (called by MLflow); the file's name holds the hash of its content."""
    file = Path(path)
    return _Model(checked_card(file, file.stem.removeprefix("scorecard-")))
