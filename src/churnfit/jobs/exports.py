"""export: the queue, a run's scores, interventions, the labels or a card's SQL as a file for people or other systems.

CSV cells that a spreadsheet would run as a formula are neutralised with a leading apostrophe.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Literal

import pandas as pd

from churnfit.cta.records import Cta
from churnfit.evaluation.prose import Section, as_markdown, number, percent
from churnfit.files import by_ending, read_parquet, refuse_existing, write_parquet, write_text
from churnfit.history.labels import ledger
from churnfit.jobs.history import label_ledger
from churnfit.jobs.interventions import interventions
from churnfit.jobs.promotion import load
from churnfit.jobs.published import newest_run
from churnfit.jobs.queue import queue
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.sql import Dialect, scoring_sql

__all__ = ["export", "export_labels", "export_sql", "queue_frame", "spreadsheet_safe"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
Table = Literal["queue", "scores", "interventions"]


def spreadsheet_safe(text: str) -> str:
    """Return `text` so that a spreadsheet shows it instead of running it.

    Examples
    --------
    >>> spreadsheet_safe("=cmd|'/c calc'!A1"), spreadsheet_safe("Acme")
    ("'=cmd|'/c calc'!A1", 'Acme')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def queue_frame(
    workspace: Workspace, card: str, *, owner: str | None = None, today: date | None = None
) -> pd.DataFrame:
    """Return the queue as a table: one row per open or claimed CTA, in its owner's order."""
    spec = workspace.spec(card)
    rows = []
    for row in queue(workspace, card, owner=owner, today=today):
        facts = asdict(row.cta)
        facts |= {name: " | ".join(facts[name]) for name in ("reasons", "triggers")}
        place = {"owner": row.owner, "rank": row.rank, "part": row.part, "overflow": row.overflow}
        rows.append(
            place
            | {"to_do": spec.to_do(row.cta.playbook)}
            | {name: value for name, value in facts.items() if name != "owner"}
        )
    columns = ["owner", "rank", "part", "overflow", "to_do"]
    columns += [part.name for part in fields(Cta) if part.name != "owner"]
    return pd.DataFrame(rows, columns=columns)


def export(workspace: Workspace, card: str, table: Table, path: Path, *, replace: bool = False) -> int:
    """Write a table to `path` by its ending (.csv, .jsonl, .parquet); return the rows.

    The queue, the newest run's scores, or what was done about CTAs as a source of interventions.

    Raises
    ------
    UsageError
        CF703 for another ending, CF702 when nothing has been scored yet, CF506 when the file is there already and
        `replace` is not set.
    """
    if not replace:
        refuse_existing(path)
    frame = _FRAMES[table](workspace, card)
    by_ending(path, _writers())(frame, path)
    return len(frame)


def export_sql(
    workspace: Workspace, card: str, path: Path, *, dialect: Dialect, reference: str, table: str, replace: bool = False
) -> None:
    """Write the query that scores the rows of `table` with a version of the card to `path` (.sql).

    Raises
    ------
    UsageError
        CF703 for another ending, CF506 when the file is there already and `replace` is not set.
    """
    write = by_ending(path, {".sql": write_text})
    if not replace:
        refuse_existing(path)
    write(scoring_sql(load(workspace, card, reference)[1], table=table, dialect=dialect), path)


def export_labels(workspace: Workspace, card: str, path: Path, *, as_of: pd.Timestamp) -> None:
    """Write the label of every training row and why it is what it is (.csv, .jsonl, .parquet), or the ledger (.md).

    Raises
    ------
    UsageError
        CF703 for another ending, CF506 when the file is there already.
    """
    write = by_ending(path, {**_writers(), ".md": _write_ledger})
    refuse_existing(path)
    write(label_ledger(workspace, card, as_of=as_of)[0], path)


def _write_ledger(rows: pd.DataFrame, path: Path) -> None:
    write_text(as_markdown("Labels", [_per_cohort(ledger(rows)), _why(rows)]), path)


def _per_cohort(cohorts: pd.DataFrame) -> Section:
    shares = ("base_rate", "base_rate_low", "base_rate_high")
    return Section(
        title="Per cohort",
        sentences=("Only matured rows train. Without a holdout, what the called ones hide lies between low and high.",),
        header=tuple(str(column).replace("_", " ") for column in cohorts.columns),
        rows=tuple(
            tuple("" if pd.isna(value) else _cell(value, share=name in shares) for name, value in row.items())
            for row in cohorts.to_dict("records")
        ),
    )


def _cell(value: object, *, share: bool) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return percent(value) if share else number(value, 0)
    return str(value)


def _why(rows: pd.DataFrame) -> Section:
    reasons = rows["reason"].str.replace(r" ?\(?\d{4}-\d{2}-\d{2}\)?", " …", regex=True).fillna("its horizon is over")
    counted = rows.assign(why=reasons).groupby(["status", "why"], sort=True, as_index=False).size()
    return Section(
        title="Why",
        header=("status", "why", "rows"),
        rows=tuple((row["status"], row["why"], f"{row['size']:,}") for row in counted.to_dict("records")),
    )


def _writers() -> dict[str, Callable[[pd.DataFrame, Path], None]]:
    return {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": write_parquet}


def _scores(workspace: Workspace, card: str) -> pd.DataFrame:
    return read_parquet(workspace.folder / newest_run(workspace, card).folder / "scores.parquet")


_FRAMES: dict[Table, Callable[[Workspace, str], pd.DataFrame]] = {
    "queue": queue_frame,
    "scores": _scores,
    "interventions": interventions,
}


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    text = frame.select_dtypes(exclude=["number", "bool", "datetimetz"]).columns
    safe = frame.assign(
        **{name: frame[name].map(lambda v: spreadsheet_safe(v) if isinstance(v, str) else v) for name in text}
    )
    # text always in quotes: pandas leaves a carriage return bare, and what follows it would begin a row
    write_text(safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC), path)


def _write_jsonl(frame: pd.DataFrame, path: Path) -> None:
    write_text(frame.to_json(orient="records", lines=True, date_format="iso", force_ascii=False), path)
