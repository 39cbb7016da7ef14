"""export: the queue or a run's scores as a file for people or other systems.

CSV cells that a spreadsheet would run as a formula are neutralised with a leading apostrophe.
"""

from __future__ import annotations

import csv
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

import pandas as pd

from churnfit.cta.rules import Cta
from churnfit.errors import UsageError
from churnfit.files import by_ending, read_parquet, refuse_existing, write_parquet, write_text
from churnfit.jobs.scoring import queue
from churnfit.jobs.workspace import Workspace

__all__ = ["export", "queue_frame", "spreadsheet_safe"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
Table = Literal["queue", "scores"]


def spreadsheet_safe(text: str) -> str:
    """Return `text` so that a spreadsheet shows it instead of running it.

    Examples
    --------
    >>> spreadsheet_safe("=cmd|'/c calc'!A1"), spreadsheet_safe("Acme")
    ("'=cmd|'/c calc'!A1", 'Acme')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def queue_frame(workspace: Workspace, card: str, *, owner: str | None = None) -> pd.DataFrame:
    """Return the queue as a table: one row per open CTA, in its owner's order."""
    spec = workspace.spec(card)
    rows = []
    for row in queue(workspace, card, owner=owner):
        facts = asdict(row.cta)
        facts["reasons"] = " | ".join(row.cta.reasons)
        rows.append(
            {"owner": row.owner, "rank": row.rank, "overflow": row.overflow, "to_do": spec.to_do(row.cta.playbook)}
            | {name: value for name, value in facts.items() if name != "owner"}
        )
    columns = ["owner", "rank", "overflow", "to_do"]
    columns += [part.name for part in fields(Cta) if part.name != "owner"]
    return pd.DataFrame(rows, columns=columns)


def export(workspace: Workspace, card: str, table: Table, path: Path, *, replace: bool = False) -> int:
    """Write the queue, or the newest run's scores, to `path` by its ending (.csv, .jsonl, .parquet); return the rows.

    Raises
    ------
    UsageError
        CF703 for another ending, CF702 when nothing has been scored yet, CF506 when the file is there already and
        `replace` is not set.
    """
    if not replace:
        refuse_existing(path)
    frame = queue_frame(workspace, card) if table == "queue" else _scores(workspace, card)
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": write_parquet}
    by_ending(path, writers)(frame, path)
    return len(frame)


def _scores(workspace: Workspace, card: str) -> pd.DataFrame:
    with closing(workspace.store()) as store:
        run = store.latest_run(card)
    if run is None:
        raise UsageError(
            "CF702", where=f"card '{card}'", expected="a scoring run", came="none", fix="churnfit score makes one."
        )
    return read_parquet(workspace.folder / run.folder / "scores.parquet")


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    text = frame.select_dtypes(exclude=["number", "bool", "datetimetz"]).columns
    safe = frame.assign(
        **{name: frame[name].map(lambda v: spreadsheet_safe(v) if isinstance(v, str) else v) for name in text}
    )
    # text always in quotes: pandas leaves a carriage return bare, and what follows it would begin a row
    write_text(safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC), path)


def _write_jsonl(frame: pd.DataFrame, path: Path) -> None:
    write_text(frame.to_json(orient="records", lines=True, date_format="iso", force_ascii=False), path)
