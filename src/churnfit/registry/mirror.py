"""The mirror: MLflow's alias ``champion`` and the mark of the ledger's last row, held against the ledger.

The ledger is the truth. A move appends its row, then sets the alias, then the mark; whoever is killed in between leaves
a mirror that is *behind*, which the next command sets forward. Any other difference was made by hand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from churnfit.errors import IntegrityError
from churnfit.registry.ledger import Row, moves_in

__all__ = ["ALIAS", "MARK", "Mirror", "damage", "up_to_date"]

ALIAS = "champion"
MARK = "churnfit.ledger"
"""The tag of the registered model that holds ``sequence:hash`` of the ledger's last row."""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """What MLflow says: the version that the alias names, and the mark; None and "" before the first move."""

    version: int | None = None
    mark: str = ""


def damage(rows: list[Row], mirror: Mirror) -> str:
    """Return why the ledger cannot be believed, in a sentence; empty when it can.

    The last row and the last move must be what their hashes say, and the row that the mirror was marked with must be
    there. The rows before are `churnfit ledger verify`'s affair.
    """
    for row in {row.sequence: row for row in (*moves_in(rows)[-1:], *rows[-1:])}.values():
        if row.row_hash != row.reckoned_hash():
            return f"row {row.sequence} was changed: its hash is not that of its fields"
        if hashlib.sha256(row.card_json.encode()).hexdigest() != row.card_sha256:
            return f"row {row.sequence} was changed: its card's JSON is not that of its hash"
    if mirror.mark and mirror.mark not in {row.mark for row in rows}:
        return f"MLflow was marked with row {mirror.mark[:16]}, which the ledger does not have"
    if not moves_in(rows) and mirror.version is not None:
        return f"MLflow's champion is version-{mirror.version}, the ledger has no move"
    return ""


def up_to_date(card: str, rows: list[Row], mirror: Mirror) -> bool:
    """Return whether the mirror shows the ledger's end; False when it is behind, as a killed move leaves it.

    Raises
    ------
    IntegrityError
        CF610 when the ledger itself was tampered with, CF611 when the alias was moved by hand.
    """
    if fault := damage(rows, mirror):
        raise IntegrityError(
            "CF610",
            where=f"ledger of '{card}'",
            expected="its rows as they were written",
            came=fault,
            fix="Restore the database from a backup (churnfit ledger verify names every fault), or put on record that "
            "the version of MLflow's alias is champion: churnfit ledger mend --adopt --reason '...'.",
        )
    if not rows:
        return True
    seen = next((place for place, row in enumerate(rows) if row.mark == mirror.mark), -1)
    behind = len(rows) - 1 - seen
    then, now = _champion(rows[: seen + 1]), _champion(rows)
    if behind > 1:  # whoever appends sets forward first: a kill leaves one row unmarked, never two
        raise _by_hand(card, f"MLflow marked with row {len(rows)}", f"row {seen + 1}" if seen >= 0 else "no mark")
    if mirror.version not in ({then, now} if behind else {now}):
        came = "no alias" if mirror.version is None else f"version-{mirror.version}"
        raise _by_hand(card, f"MLflow's alias on version-{now}, as the ledger says", came)
    return not behind


def _by_hand(card: str, expected: str, came: str) -> IntegrityError:
    return IntegrityError(
        "CF611",
        where=f"champion of '{card}'",
        expected=expected,
        came=came,
        fix="Somebody moved it by hand: churnfit ledger mend sets it back; then promote or roll back.",
    )


def _champion(rows: list[Row]) -> int | None:
    moves = moves_in(rows)
    return moves[-1].version if moves else None
