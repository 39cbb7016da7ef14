"""The ledger: every move of a champion, in an append-only, hash-chained table of the operational database.

A row says who asked, who did it, when, why, what the gates said, and keeps the card's JSON. Its `row_hash` is the
SHA-256 of all other fields in canonical JSON, among them the hash of the row before; the card's JSON counts through its
own SHA-256. (card, sequence) is the key, so of two who append the same sequence one succeeds: compare-and-set.

What it proves: a row changed, removed, added or swapped is found by `faults_of`; the newest rows removed, by the mark
that the MLflow mirror carries. Who can rewrite the whole table *and* MLflow's mark is found only by what lies
elsewhere: ``champion.md`` in git names the hash of each move's row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Literal

import sqlalchemy as sa

from churnfit.database import transaction
from churnfit.errors import BusyError
from churnfit.schema import opened

__all__ = ["FIRST_LINK", "Kind", "Ledger", "Row", "as_mapping", "faults_of", "last_mark", "moves_in", "reigns", "stale"]

FIRST_LINK = "0" * 64
"""What stands as the previous hash in a card's first row."""

Kind = Literal["asked", "promoted", "rolled back", "adopted"]
_MOVES = ("promoted", "rolled back", "adopted")

_WHERE = "the ledger"

_METADATA = sa.MetaData()
_ROWS = sa.Table(
    "ledger",
    _METADATA,
    sa.Column("card", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("done_by", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("canary", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("candidate", sa.String(32), nullable=False),
    sa.Column("card_sha256", sa.String(64), nullable=False),
    sa.Column("card_json", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("row_hash", sa.String(64), nullable=False),
    sa.CheckConstraint("asked_by <> done_by", name="two_persons"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the ledger; `version` is the champion's number after a move, 0 where nothing moved ("asked").

    `at` is the moment, ISO-8601 in UTC: this is the one place where what is hashed holds a time, because the time is
    what is recorded. `asked_by` is empty where nobody had to ask.
    """

    card: str
    sequence: int = 0
    kind: Kind
    asked_by: str = ""
    done_by: str
    at: str
    reason: str
    verdict: str = ""
    canary: str = ""
    version: int = 0
    candidate: str = ""
    card_sha256: str
    card_json: str
    previous_hash: str = FIRST_LINK
    row_hash: str = ""

    def reckoned_hash(self) -> str:
        """Return the hash that the row's other fields give."""
        content = {name: value for name, value in asdict(self).items() if name not in ("row_hash", "card_json")}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def mark(self) -> str:
        """``sequence:hash``, as the mirror carries it."""
        return f"{self.sequence}:{self.row_hash}"


class Ledger:
    """The ledger of every card in one database.

    Parameters
    ----------
    url : str
        As in `churnfit.database.open_database`.
    """

    def __init__(self, url: str) -> None:
        # read once or twice in a command: nothing to keep open
        self._engine = opened(url, where=_WHERE, pooled=False)

    def rows(self, card: str) -> list[Row]:
        """Return the card's rows, oldest first."""
        with self._transaction() as connection:
            return _rows(connection, card)

    def append(self, row: Row, *, after: str) -> Row:
        """Add `row` behind the row with the mark `after` ("" for the first); return it with its place and hashes.

        Raises
        ------
        BusyError
            CF609 when another row stands there by now.
        """
        with self._transaction() as connection:
            last = next(iter(_rows(connection, row.card)[-1:]), None)
            if (mark := last.mark if last else "") != after:
                raise stale(row.card, expected=after, came=mark)
            row = replace(
                row,
                sequence=last.sequence + 1 if last else 1,
                previous_hash=last.row_hash if last else FIRST_LINK,
            )
            row = replace(row, row_hash=row.reckoned_hash())
            try:
                connection.execute(_ROWS.insert().values(**asdict(row)))
            except sa.exc.IntegrityError as fault:  # PostgreSQL lets two read the same last row; the key lets one write
                raise stale(row.card, expected=after, came=f"another row {row.sequence}") from fault
        return row

    @contextmanager
    def held(self, card: str) -> Iterator[list[Row]]:
        """Yield the card's rows while nobody else holds them: for what must be done in the ledger's order."""
        with self._transaction() as connection:
            first = sa.select(_ROWS.c.sequence).where(_ROWS.c.card == card).order_by(_ROWS.c.sequence).limit(1)
            connection.execute(first.with_for_update())  # SQLite holds the whole database already
            yield _rows(connection, card)

    def _transaction(self) -> AbstractContextManager[sa.Connection]:
        return transaction(self._engine, where=_WHERE)


def _rows(connection: sa.Connection, card: str) -> list[Row]:
    query = sa.select(_ROWS).where(_ROWS.c.card == card).order_by(_ROWS.c.sequence)
    return [Row(**row) for row in connection.execute(query).mappings()]


def stale(card: str, *, expected: str, came: str) -> BusyError:
    """Return CF609: somebody moved the champion between looking and doing."""
    return BusyError(
        "CF609",
        where=f"ledger of '{card}'",
        expected=f"row {expected[:16]} to be the last" if expected else "no row yet",
        came=came[:20] or "none",
        fix="Somebody else was first: look at `churnfit ledger` and make a new plan with `churnfit promote`.",
    )


def last_mark(rows: list[Row]) -> str:
    """Return the mark of the last row, "" where there is none."""
    return rows[-1].mark if rows else ""


def moves_in(rows: list[Row]) -> list[Row]:
    """Return the rows that moved the champion, oldest first."""
    return [row for row in rows if row.kind in _MOVES]


def reigns(rows: list[Row]) -> list[Row]:
    """Return the champions that a rollback goes back through, the present one last: each by the row that made it."""
    chain: list[Row] = []
    for row in moves_in(rows):
        again = row.kind == "adopted" and chain and chain[-1].card_sha256 == row.card_sha256  # its artifact restored
        if row.kind == "rolled back" or again:
            chain = chain[:-1]
        if row.kind != "rolled back":
            chain = [*chain, row]
    return chain


def faults_of(rows: list[Row]) -> list[str]:
    """Return what is wrong with a card's rows by themselves, a sentence each; empty when nothing is.

    Every hash, every link, the sequence without gaps, every card's JSON against its hash, and that each move could be
    made: a version is promoted once, and a rollback goes to the champion before.
    """
    said = []
    before: Row | None = None
    for place, row in enumerate(rows, start=1):
        name = f"row {row.sequence}"
        if row.sequence != place:
            said.append(f"{name}: the sequence has a gap, {place} was expected")
        if row.row_hash != row.reckoned_hash():
            said.append(f"{name}: its hash is not that of its fields")
        if row.previous_hash != (before.row_hash if before else FIRST_LINK):
            said.append(f"{name}: it does not follow on the row before")
        if hashlib.sha256(row.card_json.encode()).hexdigest() != row.card_sha256:
            said.append(f"{name}: its card's JSON is not that of its hash")
        said += [f"{name}: {fault}" for fault in _impossible(rows[: place - 1], row)]
        before = row
    return said


def _impossible(earlier: list[Row], row: Row) -> list[str]:
    """Return what could not have happened after the `earlier` rows, though hashes and links agree."""
    cards = {one.version: one.card_sha256 for one in moves_in(earlier)}
    if row.kind == "rolled back":
        chain = reigns(earlier)
        back = chain[-2] if len(chain) > 1 else None
        if back is None or (back.version, back.card_sha256) != (row.version, row.card_sha256):
            return ["a rollback to another version than the champion before"]
    elif row.kind == "promoted" and row.version in cards:
        return [f"version-{row.version} was promoted before"]
    elif row.kind not in (*_MOVES, "asked"):
        return [f"'{row.kind}' is no kind of move"]
    return []


def as_mapping(row: Row) -> Mapping[str, object]:
    """Return the row without its card's JSON, for lists."""
    return {name: value for name, value in asdict(row).items() if name != "card_json"}
