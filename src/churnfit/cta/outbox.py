"""The outbox: what other systems are still to be told of CTAs' moves.

A move and what is to be told of it commit together. Who delivers takes the oldest row that is due, and nobody else has
it before the lease ends: one that is killed while sending leaves it to the next, who sends the same again under the
same key. Nothing overtakes an earlier move of its CTA: behind a dead one it waits until that is retried or dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from churnfit.cta.records import Cta, Event, Status
from churnfit.cta.tables import EVENTS, OUTBOX, insert_rows
from churnfit.database import hold, transaction
from churnfit.schema import opened

__all__ = ["Letter", "Outbox", "Subscription", "record_moves"]

_WHERE = "the outbox"
_IDS_AT_ONCE = 500  # SQLite takes some ten thousand variables in a statement

BODY_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Which moves a sink is told of: those to one of `statuses`."""

    sink: str
    statuses: tuple[Status, ...]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One move to be told to one sink: `body` is JSON, `key` the same whenever it is sent, `answer` the last one."""

    sequence: int
    sink: str
    key: str
    cta_id: str
    body: str
    attempts: int
    answer: str


def record_moves(
    connection: sa.Connection, moves: Sequence[tuple[Event, Cta]], subscriptions: Sequence[Subscription]
) -> None:
    """Write each event, at most one per CTA, and a letter to each sink that is told of it.

    Held-out CTAs are nobody's to call, so no sink hears of them.
    """
    insert_rows(connection, EVENTS, (asdict(event) for event, _ in moves))
    wanted = {status for subscription in subscriptions for status in subscription.statuses}
    told = [(event, cta) for event, cta in moves if event.to_status in wanted and cta.holdout_share is None]
    numbers = _moves_so_far(connection, [cta.cta_id for _, cta in told])
    letters = [(event, *_letter(event, cta, number=numbers[cta.cta_id])) for event, cta in told]
    rows = (
        {
            "sink": subscription.sink,
            "key": key,
            "cta_id": event.cta_id,
            "body": body,
            "status": "waiting",
            "attempts": 0,
            "due_at": event.at,
            "answer": "",
        }
        for event, key, body in letters
        for subscription in subscriptions
        if event.to_status in subscription.statuses
    )
    insert_rows(connection, OUTBOX, rows)


def _moves_so_far(connection: sa.Connection, cta_ids: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(cta_ids), _IDS_AT_ONCE):
        some = EVENTS.c.cta_id.in_(cta_ids[start : start + _IDS_AT_ONCE])
        query = sa.select(EVENTS.c.cta_id, sa.func.count()).where(some)
        found |= {str(cta_id): int(count) for cta_id, count in connection.execute(query.group_by(EVENTS.c.cta_id))}
    return found


def _letter(event: Event, cta: Cta, *, number: int) -> tuple[str, str]:
    """Return key and body; the number keeps two like moves of one second apart."""
    facts = {name: value for name, value in asdict(event).items() if name not in ("cta_id", "card")}
    move = {"number": number, **facts}
    key = hashlib.sha256(json.dumps([cta.cta_id, move]).encode()).hexdigest()[:32]
    content = {"schema_version": BODY_SCHEMA_VERSION, "key": key, "move": move, "cta": asdict(cta)}
    return key, json.dumps(content, default=str, allow_nan=False)


class Outbox:
    """The letters of a workspace's operational database.

    Parameters
    ----------
    url : str
        As in `churnfit.database.open_database`.
    """

    def __init__(self, url: str) -> None:
        self._engine = opened(url, where=_WHERE)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    def take(self, sink: str, *, now: datetime, lease: timedelta) -> Letter | None:
        """Return the oldest letter to `sink` that is due, one attempt older; nobody else has it before the lease ends.

        None when nothing is due.
        """
        earlier = OUTBOX.alias("earlier")
        held_up = sa.exists().where(
            earlier.c.sink == OUTBOX.c.sink,
            earlier.c.cta_id == OUTBOX.c.cta_id,
            earlier.c.sequence < OUTBOX.c.sequence,
            earlier.c.status.in_(("waiting", "dead")),
        )
        due = (OUTBOX.c.sink == sink) & (OUTBOX.c.status == "waiting") & (OUTBOX.c.due_at <= _text(now))
        query = sa.select(OUTBOX).where(due, ~held_up).order_by(OUTBOX.c.sequence).limit(1)
        with transaction(self._engine, where=_WHERE) as connection:
            hold(connection, f"sink {sink}")
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            attempts = row["attempts"] + 1
            leased = OUTBOX.update().where(OUTBOX.c.sequence == row["sequence"])
            connection.execute(leased.values(attempts=attempts, due_at=_text(now + lease)))
        return _as_letter(row, attempts=attempts)

    def delivered(self, letter: Letter, *, answer: str) -> None:
        """Record that the sink has taken it."""
        self._settle(letter, status="delivered", answer=answer)

    def postpone(self, letter: Letter, *, until: datetime, answer: str) -> None:
        """Leave it to be sent again, from `until` on."""
        self._settle(letter, status="waiting", answer=answer, due_at=_text(until))

    def bury(self, letter: Letter, *, answer: str) -> None:
        """Record that it is not to be sent again unless somebody retries it."""
        self._settle(letter, status="dead", answer=answer)

    def leave_alone(self, sink: str, *, until: datetime) -> None:
        """Put every letter to `sink` that waits off until then."""
        soon = (OUTBOX.c.sink == sink) & (OUTBOX.c.status == "waiting") & (OUTBOX.c.due_at < _text(until))
        with transaction(self._engine, where=_WHERE) as connection:
            connection.execute(OUTBOX.update().where(soon).values(due_at=_text(until)))

    def dead(self) -> list[Letter]:
        """Return the dead letters, oldest first."""
        query = sa.select(OUTBOX).where(OUTBOX.c.status == "dead").order_by(OUTBOX.c.sequence)
        with transaction(self._engine, where=_WHERE) as connection:
            return [_as_letter(row) for row in connection.execute(query).mappings()]

    def retry(self, *, now: datetime) -> int:
        """Return how many dead letters are due again from `now` on, each as if it had never been sent."""
        again = OUTBOX.update().where(OUTBOX.c.status == "dead")
        with transaction(self._engine, where=_WHERE) as connection:
            return connection.execute(again.values(status="waiting", attempts=0, due_at=_text(now))).rowcount

    def drop(self, key: str) -> int:
        """Return how many dead letters with that key, one a sink, will never be sent: what waits behind them may go."""
        given_up = OUTBOX.update().where(OUTBOX.c.status == "dead", OUTBOX.c.key == key)
        with transaction(self._engine, where=_WHERE) as connection:
            return connection.execute(given_up.values(status="dropped")).rowcount

    def forget(self, *, before: datetime) -> int:
        """Delete the letters that were delivered or dropped, and due, before then; return how many."""
        settled = OUTBOX.c.status.in_(("delivered", "dropped")) & (OUTBOX.c.due_at < _text(before))
        with transaction(self._engine, where=_WHERE) as connection:
            return connection.execute(OUTBOX.delete().where(settled)).rowcount

    def waiting(self) -> dict[str, int]:
        """Return how many letters wait, by sink."""
        query = sa.select(OUTBOX.c.sink, sa.func.count()).where(OUTBOX.c.status == "waiting").group_by(OUTBOX.c.sink)
        with transaction(self._engine, where=_WHERE) as connection:
            return {str(sink): int(count) for sink, count in connection.execute(query.order_by(OUTBOX.c.sink))}

    def _settle(
        self, letter: Letter, *, status: Literal["waiting", "delivered", "dead"], answer: str, due_at: str | None = None
    ) -> None:
        """Write what became of it; nothing where the lease ended and another has taken it since."""
        ours = (OUTBOX.c.sequence == letter.sequence) & (OUTBOX.c.attempts == letter.attempts)
        facts = {"status": status, "answer": answer} | ({} if due_at is None else {"due_at": due_at})
        with transaction(self._engine, where=_WHERE) as connection:
            connection.execute(OUTBOX.update().where(ours, OUTBOX.c.status == "waiting").values(facts))


def _text(moment: datetime) -> str:
    """Return the moment as events have it, to the second: in UTC, so that texts sort as moments do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_letter(row: sa.RowMapping, *, attempts: int | None = None) -> Letter:
    return Letter(
        sequence=row["sequence"],
        sink=row["sink"],
        key=row["key"],
        cta_id=row["cta_id"],
        body=row["body"],
        attempts=row["attempts"] if attempts is None else attempts,
        answer=row["answer"],
    )
