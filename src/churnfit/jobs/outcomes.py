"""outcomes: what came of calls to action, from a table all at once, counted, and held against who was held out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from churnfit.cta.moves import closed
from churnfit.cta.records import OUTCOMES, Cta
from churnfit.errors import ChurnfitError, DataError
from churnfit.evaluation.save_rates import save_rates as compared
from churnfit.files import by_ending, read_parquet
from churnfit.jobs.history import answered, now
from churnfit.jobs.signing import moment, signer
from churnfit.jobs.workspace import Workspace

__all__ = ["COLUMNS", "Imported", "import_outcomes", "outcome_counts", "save_rates"]

COLUMNS = ("cta_id", "account_id", "date", "outcome", "why", "by", "when")
"""What a table may have: `outcome`, and `cta_id` or `account_id` with a `date` on which the CTA was there.

`by` and `when` are who closed it, and on which day; whoever imports, and today, where they are left out.
"""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """How many rows a table had, how many of them closed a CTA, and every faulty row with its fault.

    Where one row is faulty nothing was written.
    """

    rows: int
    written: int
    faults: list[tuple[int, ChurnfitError]]


def import_outcomes(workspace: Workspace, card: str, path: Path, *, by: str | None = None) -> Imported:
    """Close the CTAs that a .csv or .parquet table names; the same table again writes nothing.

    Raises
    ------
    DataError
        CF401 when there is no such file, CF402 when it cannot be read, CF217 when a column is missing or unknown.
    """
    rows = _rows(path)
    today, at, who = now().date(), moment(), signer(by)
    faults: list[tuple[int, ChurnfitError]] = []
    moves: dict[str, tuple[Cta, Cta]] = {}
    with closing(workspace.store()) as store, store.changing(card) as of_card:
        every = of_card.every()
        for number, row in enumerate(rows, start=1):
            try:
                before = _meant(row, every)
                if before.cta_id in moves:
                    raise _fault("CF104", "one row per CTA", f"a second one of {before.cta_id}", "Remove one.")
                moves[before.cta_id] = before, _closed(before, row, by=who, today=today)
            except ChurnfitError as fault:
                faults.append((number, fault))
        changed = [(before, after) for before, after in moves.values() if after != before]
        for before, after in [] if faults else changed:
            of_card.write(before, after, by=after.closed_by, at=at, why=after.note)
    return Imported(rows=len(rows), written=0 if faults else len(changed), faults=faults)


def outcome_counts(workspace: Workspace, card: str) -> pd.DataFrame:
    """Return what came of the card's CTAs: a row per playbook and lead measure ("" where none led), in their order.

    Columns: playbook, reason, ctas, active, done, saved, churned, not_valid, recovered (closed by a run, nobody having
    said what came of it). Held-out CTAs are left out: nothing was done about them.
    """
    names = ("done", "saved", "churned", "not_valid")
    with closing(workspace.store()) as store:
        called = [cta for cta in store.ctas(card) if cta.holdout_share is None]
    rows = [
        {"playbook": cta.playbook, "reason": cta.lead_measure, "ctas": 1, "active": int(cta.active)}
        | {name: int(cta.outcome == name.replace("_", " ")) for name in names}
        | {"recovered": int(cta.status == "auto-resolved")}
        for cta in called
    ]
    columns = ["playbook", "reason", "ctas", "active", *names, "recovered"]
    return pd.DataFrame(rows, columns=columns).groupby(columns[:2], as_index=False).sum()


def save_rates(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return what calls saved, per playbook and reason, as `churnfit.evaluation.save_rates.save_rates`.

    Counted are CTAs since the card first held one out, if the horizon after them is over as labels are. Empty where
    nobody was held out.
    """
    spec = workspace.spec(card)
    with closing(workspace.store()) as store:
        every, called = store.ctas(card), store.first_called(card)
    first_held_out = min((cta.opened_on for cta in every if cta.holdout_share is not None), default=None)
    opened = [cta for cta in every if first_held_out is not None and cta.opened_on >= first_held_out]
    rows = pd.DataFrame(
        {
            "account_id": [cta.account_id for cta in opened],
            "as_of": pd.to_datetime([cta.opened_on for cta in opened], utc=True),
            "playbook": [cta.playbook for cta in opened],
            "reason": [cta.lead_measure for cta in opened],
            "held_out": [cta.holdout_share is not None for cta in opened],
            "called": [cta.cta_id in called and cta.outcome != "not valid" for cta in opened],
        }
    )
    if opened:
        churned = answered(workspace, spec, rows[["account_id", "as_of"]].drop_duplicates(), as_of=as_of)
        rows = rows.merge(churned, on=["account_id", "as_of"]).sort_values("as_of", kind="stable")
    else:
        rows["churned"] = 0
    return compared(rows, expected=spec.bands.red.save_rate)


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the table's rows as text, "" where there is nothing."""
    read = by_ending(path, _READERS)
    if not path.is_file():
        raise DataError(
            "CF401", where=str(path), expected="a table of outcomes", came="no such file", fix="Check the name."
        )
    try:
        table = read(path)
    except (OSError, ValueError) as fault:  # what pandas and pyarrow raise for what is no such file
        raise DataError(
            "CF402", where=str(path), expected=f"a {path.suffix} file", came=str(fault)[:80], fix="Write it anew."
        ) from None
    names = set(table.columns)
    named = "cta_id" in names or {"account_id", "date"} <= names
    if "outcome" not in names or not named or names - set(COLUMNS):
        raise DataError(
            "CF217",
            where=str(path),
            expected=f"outcome, and cta_id or account_id and date; of the columns {', '.join(COLUMNS)}",
            came=", ".join(str(name) for name in table.columns) or "none",
            fix="Name the columns so, and leave others out.",
        )
    return [{str(name): _text(value) for name, value in row.items()} for row in table.to_dict("records")]


def _text(value: object) -> str:
    if isinstance(value, (pd.Timestamp, date)):
        return f"{value:%Y-%m-%d}"
    return "" if pd.isna(value) else str(value).strip()  # type: ignore[call-overload]


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".parquet": read_parquet,
}


def _meant(row: dict[str, str], every: list[Cta]) -> Cta:
    """Return the CTA of a row: by its id, or the one that the account had on the date."""
    if name := row.get("cta_id", ""):
        found = [cta for cta in every if cta.cta_id == name]
        came = f"cta_id '{name}'"
    else:
        account, day = row.get("account_id", ""), _day(row, "date")
        found = [cta for cta in every if cta.account_id == account and _there_on(cta, day)]
        came = f"account '{account}' on {day}"
    if not found:
        raise _fault("CF702", "a CTA of this card", came, "`churnfit cta list` names them.")
    return found[-1]


def _there_on(cta: Cta, day: date | None) -> bool:
    return day is not None and cta.opened_on <= day and (cta.closed_on is None or day <= cta.closed_on)


def _closed(cta: Cta, row: dict[str, str], *, by: str, today: date) -> Cta:
    outcome = next((known for known in OUTCOMES if known == row["outcome"].replace("-", " ")), None)
    if outcome is None:
        raise _fault("CF708", f"one of {', '.join(OUTCOMES)}", f"outcome '{row['outcome']}'", "Correct it.")
    on = _day(row, "when") or cta.person_closed_on or today
    if not cta.opened_on <= on <= today:
        raise _fault("CF708", f"when from {cta.opened_on} (it opened) to today", f"when '{on}'", "Correct it.")
    return closed(cta, by=row.get("by") or cta.closed_by or by, on=on, outcome=outcome, note=row.get("why", ""))


def _day(row: dict[str, str], column: str) -> date | None:
    if not (text := row.get(column, "")):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _fault("CF708", f"{column} as YYYY-MM-DD", f"'{text}'", "Correct it.") from None


def _fault(code: str, expected: str, came: str, fix: str) -> DataError:
    return DataError(code, where="outcomes", expected=expected, came=came, fix=fix)
