"""Scores and reasons of one snapshot under one card, and the append-only files they are published in."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from churnfit.errors import IntegrityError
from churnfit.files import read_parquet, write_parquet
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.sentences import Sentences
from churnfit.scorecard.shap import reasons

__all__ = ["ScoredRun", "Scorer", "by_card", "publish", "published_run", "run_folder", "run_key", "score", "words_of"]

Scorer: TypeAlias = Callable[[Scorecard, pd.DataFrame], pd.DataFrame]
"""Returns health, band, coverage and ``points_<measure>`` of a snapshot's rows, in their order: `by_card`, or another
engine that gives the same to the last bit."""

_KEY_IS = "run="  # before the key, in the name of a run's folder
_CONTEXT = ("account_id", "as_of", "segment", "stage_day", "owner", "arr")


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """One date under one card.

    `scores`: key account_id, as_of; segment, stage_day, owner, arr, health, churn_probability, band, coverage and
    ``points_<measure>``. `reasons`: key account_id, as_of, measure; rank, health_points, probability_points.
    `snapshot`: the measures they were computed from.
    """

    key: str
    scores: pd.DataFrame
    reasons: pd.DataFrame
    snapshot: pd.DataFrame

    def of(self, account_id: str) -> ScoredRun:
        """Return what the run says of one account: tables without rows where it says nothing."""
        tables = {name: getattr(self, name) for name in ("scores", "reasons", "snapshot")}
        return replace(self, **{name: table[table["account_id"] == account_id] for name, table in tables.items()})


def run_key(card: Scorecard, snapshot_sha256: str, as_of: pd.Timestamp) -> str:
    """Return the content key of a run: same date, card and knowledge, same key."""
    text = f"{as_of.isoformat()}|{card.sha256}|{snapshot_sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def by_card(card: Scorecard, snapshot: pd.DataFrame) -> pd.DataFrame:
    """Return what the card itself says of a snapshot with its pairs."""
    points = card.points(snapshot)
    health = points.to_numpy().sum(axis=1)
    whole = {"health": health, "band": card.bands.band(health), "coverage": card.coverage(snapshot)}
    return pd.concat([pd.DataFrame(whole, index=snapshot.index), points.add_prefix("points_")], axis=1)


def score(card: Scorecard, snapshot: pd.DataFrame, *, key: str, scorer: Scorer = by_card) -> ScoredRun:
    """Return the scores and reasons of every row of `snapshot`, in its order.

    Probabilities and reasons follow from the points and are reckoned here: engines differ in the last bit of `exp`.
    """
    snapshot = card.with_pairs(snapshot)
    scored = scorer(card, snapshot)
    points = scored[[f"points_{name}" for name in card.weights]].set_axis(list(card.weights), axis=1)
    scores = pd.concat([snapshot[list(_CONTEXT)], scored.set_index(snapshot.index)], axis=1)
    probability = card.probability_of(scores["health"].to_numpy(), snapshot["segment"])
    scores.insert(len(_CONTEXT) + 1, "churn_probability", probability)  # after health
    return ScoredRun(key=key, scores=scores, reasons=reasons(card, snapshot, points=points), snapshot=snapshot)


def words_of(card: Scorecard, run: ScoredRun, account_ids: list[str], *, top: int = 3) -> dict[str, list[str]]:
    """Return each account's `top` reasons that cost health, in words, worst first.

    Peers are the accounts of the same segment in the same run.
    """
    wanted = run.reasons[run.reasons["account_id"].isin(account_ids) & (run.reasons["health_points"] < 0)]
    wanted = wanted[wanted["rank"] <= top]
    rows = run.snapshot.set_index("account_id")
    numeric = [m.name for m in card.measures if pd.api.types.is_numeric_dtype(run.snapshot[m.name])]
    medians = run.snapshot.groupby("segment", dropna=False)[numeric].median()
    said: dict[str, list[str]] = {account_id: [] for account_id in account_ids}
    sentences = Sentences(card)
    scores = run.scores.set_index("account_id")
    for account_id, name in zip(wanted["account_id"], wanted["measure"], strict=True):
        row = rows.loc[account_id]
        peers = float(medians.loc[row["segment"], name]) if name in numeric and pd.notna(row["segment"]) else None
        points = float(scores.loc[account_id, f"points_{name}"])
        said[account_id].append(sentences.of_row(name, row, points=points, peers=peers))
    return said


def run_folder(root: Path, card: str, as_of: pd.Timestamp, key: str) -> Path:
    """Return where a run's files lie: ``<root>/<card>/as_of=YYYY-MM-DD/run=<key>``."""
    return root / card / f"as_of={as_of:%Y-%m-%d}" / f"{_KEY_IS}{key}"


def publish(run: ScoredRun, folder: Path) -> None:
    """Write the run's files into `folder`; files that are there already must be the same.

    Raises
    ------
    IntegrityError
        CF704 when something else lies under the same key.
    """
    # scores last: where they are, the run is whole
    for name, frame in (("snapshot", run.snapshot), ("reasons", run.reasons), ("scores", run.scores)):
        path = folder / f"{name}.parquet"
        if not path.exists():
            write_parquet(frame, path)
        elif not _holds(path, frame):
            raise IntegrityError(
                "CF704",
                where=str(path),
                expected=f"the {name} of this run's key",
                came=f"other {name}",
                fix="Somebody edited the file: move it away and run again.",
            )


def published_run(folder: Path) -> ScoredRun:
    """Return the run whose files lie in `folder`."""
    tables = {name: read_parquet(folder / f"{name}.parquet") for name in ("scores", "reasons", "snapshot")}
    return ScoredRun(key=folder.name.removeprefix(_KEY_IS), **tables)


def _holds(path: Path, frame: pd.DataFrame) -> bool:
    """Return whether the file at `path` holds `frame`, once both have a Parquet file's types."""
    try:
        there = read_parquet(path)
    except (OSError, ValueError):  # what pyarrow raises for a file that is no Parquet
        return False
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, path.name)
        write_parquet(frame, again)
        return there.equals(read_parquet(again))
