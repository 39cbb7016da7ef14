"""reproduce, and the canary of a rollback: what was published, scored again from what was kept."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from churnfit.cta.store import RunRow
from churnfit.errors import IntegrityError, count_and_examples
from churnfit.files import read_parquet, write_parquet
from churnfit.history.snapshot import snapshot_hash
from churnfit.jobs.published import newest_run, some_runs
from churnfit.jobs.workspace import Workspace
from churnfit.registry import Version
from churnfit.registry.ledger import moves_in
from churnfit.scorecard.card import Scorecard
from churnfit.scoring.batch import score

__all__ = ["CANARY_ACCOUNTS", "Reproduced", "canary", "reproduce"]

CANARY_ACCOUNTS = 10_000
"""So many accounts are scored again before a rollback: seconds, and enough to meet every line of a card."""


@dataclass(frozen=True, kw_only=True)
class Reproduced:
    """A run whose scores and reasons came out again.

    Byte for byte; or, where another version of pyarrow wrote the files, value for value.
    """

    run: RunRow
    compared: tuple[str, ...]
    byte_for_byte: bool


def reproduce(workspace: Workspace, card: str, *, as_of: date | None = None, every: bool = False) -> list[Reproduced]:
    """Score a published run again, from the ledger's card and the kept snapshot; return what was compared.

    Parameters
    ----------
    as_of : date, optional
        The run of that date; the newest by default.
    every : bool
        All published runs instead, in the order they were published.

    Raises
    ------
    UsageError
        CF702 when there is no such run.
    IntegrityError
        CF614 when card, snapshot, scores or reasons are not what was recorded or published.
    """
    runs = some_runs(workspace, card) if every else [newest_run(workspace, card, as_of)]
    return [_again(workspace, run) for run in runs]


def canary(workspace: Workspace, restored: Scorecard, version: Version) -> str:
    """Return, in words, that the restored card scores as it did.

    It is held against the newest scores that this very card published, or, where it published none, against its copy
    in the ledger on the accounts of the newest run.

    Raises
    ------
    IntegrityError
        CF613 when one account differs.
    """
    with closing(workspace.store()) as store:
        runs = store.runs(version.card)
    if not runs:
        return "no canary: nothing was scored yet"
    own = [run for run in runs if run.card_sha256 == restored.sha256]
    run = max(own or runs, key=lambda run: run.as_of)
    folder = workspace.folder / run.folder
    snapshot = _kept(folder / "snapshot.parquet", run).head(CANARY_ACCOUNTS)
    found = score(restored, snapshot, key=run.run_key).scores
    if own:
        expected, held_against = _kept(folder / "scores.parquet", run).head(CANARY_ACCOUNTS), "published"
    else:
        expected = score(_ledger_card(workspace, version.card, restored.sha256), snapshot, key=run.run_key).scores
        held_against = "its copy in the ledger does"
    if different := _different(expected, found):
        raise IntegrityError(
            "CF613",
            where=f"canary of {version.card} {version.reference} on {run.as_of}",
            expected=f"scores as {held_against}",
            came=different,
            fix="churnfit ledger verify and churnfit reproduce say what was changed; the champion stays.",
        )
    return f"{len(found):,} accounts of {run.as_of} score as {held_against}"


def _again(workspace: Workspace, run: RunRow) -> Reproduced:
    folder = workspace.folder / run.folder
    card = _ledger_card(workspace, run.card, run.card_sha256, run)
    snapshot = _kept(folder / "snapshot.parquet", run)
    added = [pair.name for pair in card.pairs if pair.name in snapshot]
    if snapshot_hash(snapshot.drop(columns=added)) != run.snapshot_sha256:
        raise _unlike(run, "snapshot.parquet of the recorded hash", "another snapshot")
    scored = score(card, snapshot, key=run.run_key)
    byte_for_byte = True
    with tempfile.TemporaryDirectory() as temporary:
        for name, frame in (("scores", scored.scores), ("reasons", scored.reasons)):
            again, published = Path(temporary, f"{name}.parquet"), folder / f"{name}.parquet"
            write_parquet(frame, again)
            there = _kept(published, run)
            if again.read_bytes() == published.read_bytes():
                continue
            byte_for_byte = False
            different = _different(there, read_parquet(again))
            if not different and not _other_writer(again, published):
                different = "the same values in other bytes"
            if different:
                raise _unlike(run, f"{name}.parquet as published", different)
    return Reproduced(run=run, compared=("snapshot", "scores", "reasons"), byte_for_byte=byte_for_byte)


def _ledger_card(workspace: Workspace, card: str, sha256: str, run: RunRow | None = None) -> Scorecard:
    """Return the card that the ledger kept under `sha256`, its JSON checked against it."""
    for row in moves_in(workspace.ledger().rows(card)):
        if row.card_sha256 == sha256:
            found = Scorecard.from_json(row.card_json)
            if found.sha256 == sha256:
                return found
    raise IntegrityError(
        "CF614",
        where=f"ledger of '{card}'" + (f", for the run of {run.as_of}" if run else ""),
        expected=f"the card {sha256[:16]}… that it was scored with",
        came="none, or one that was changed",
        fix="churnfit ledger verify says what was changed; restore the database from a backup.",
    )


def _kept(path: Path, run: RunRow) -> pd.DataFrame:
    try:
        return read_parquet(path)
    except (OSError, ValueError) as fault:  # gone, or no Parquet
        raise _unlike(run, f"{path.name} of the run", str(fault).splitlines()[0][:200]) from fault


def _unlike(run: RunRow, expected: str, came: str) -> IntegrityError:
    return IntegrityError(
        "CF614",
        where=f"run of {run.card} on {run.as_of} ({run.version}, {run.run_key})",
        expected=expected,
        came=came,
        fix="Restore the run's folder from a backup, or move it away and score that date again.",
    )


def _other_writer(one: Path, other: Path) -> bool:
    """Return whether another version of pyarrow wrote one of the files: then values count, not bytes."""
    import pyarrow.parquet as pq

    writers = {str(pq.read_metadata(path).created_by) for path in (one, other)}
    return len(writers) > 1


def _different(expected: pd.DataFrame, found: pd.DataFrame) -> str:
    """Return where two tables of the same accounts differ, in words; empty when every value is the same."""
    if list(expected.columns) != list(found.columns) or len(expected) != len(found):
        return f"{len(found)} rows of {len(found.columns)} columns for {len(expected)} of {len(expected.columns)}"
    for name in expected.columns:
        one, other = expected[name].reset_index(drop=True), found[name].reset_index(drop=True)
        differs = ~((one == other) | (one.isna() & other.isna())).fillna(value=False).astype(bool)
        if differs.any():
            accounts = expected.loc[differs.to_numpy(), "account_id"]
            return f"another {name} of {count_and_examples(accounts)}"
    return ""
