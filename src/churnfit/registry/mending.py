"""Whether ledger, MLflow's alias and the artifacts agree, and what brings them together again."""

from __future__ import annotations

from dataclasses import replace

from churnfit.errors import IntegrityError, UsageError
from churnfit.registry.ledger import Row, faults_of, last_mark, moves_in
from churnfit.registry.mirror import MARK, Mirror, damage
from churnfit.registry.moves import Deed, row_of
from churnfit.registry.versions import Registry

__all__ = ["faults", "mend"]


def mend(registry: Registry, card: str, deed: Deed, *, adopt: bool = False) -> str:
    """Bring MLflow to what the ledger says, in one sentence; a champion's artifact that is lost, from the ledger.

    Parameters
    ----------
    adopt : bool
        Where the ledger itself is damaged: put the version that MLflow's alias names on record as the champion.

    Raises
    ------
    IntegrityError
        CF610 when the ledger is damaged and `adopt` is not set.
    UsageError
        CF703 when `adopt` is set and the ledger is not damaged: a rollback or promotion is the way then.
    """
    mirror, rows = registry.mirror(card), registry.ledger.rows(card)
    fault = damage(rows, mirror)
    if fault and adopt:
        return _adopt(registry, card, deed, fault)
    if fault:
        registry.rows(card)  # says CF610
    if adopt:
        raise UsageError(
            "CF703",
            where="ledger mend --adopt",
            expected="a damaged ledger",
            came="one whose end is whole",
            fix="Leave out --adopt; promote or roll back to move the champion.",
        )
    champion = next(iter(moves_in(rows)[-1:]), None)
    if champion is None:
        return "nothing to mend: no champion yet"
    if lost := _artifact_faults(registry, champion):
        return _restore(registry, champion, deed, lost[0])
    registry.reflect(card)
    was = "no version" if mirror.version is None else f"version-{mirror.version}"
    if (mirror.version, mirror.mark) == (champion.version, last_mark(rows)):
        return f"nothing to mend: version-{champion.version} is the champion, in the ledger and in MLflow"
    return f"MLflow's alias was on {was}; it is on version-{champion.version} now, as the ledger says"


def faults(registry: Registry, card: str) -> list[str]:
    """Return everything wrong with the card's ledger, mirror and artifacts, a sentence each; nothing is mended.

    A last row that MLflow does not know yet is said too: a killed move leaves it, and so does who writes one by hand.
    """
    mirror, rows = registry.mirror(card), registry.ledger.rows(card)
    said = faults_of(rows)
    marks = {row.mark for row in rows}
    if rows and not mirror.mark:
        said.append(f"MLflow has no mark ({MARK}) of the ledger's last row")
    if mirror.mark and mirror.mark not in marks:
        said.append(f"MLflow was marked with row {mirror.mark[:16]}…, which is not in the ledger: rows are gone")
    elif rows and mirror.mark and mirror.mark != rows[-1].mark:
        said.append(
            f"MLflow is behind, marked with row {mirror.mark[:10]}…, the last is {rows[-1].sequence}, by "
            f"'{rows[-1].done_by}': a killed move, which any other command sets forward, or a row put there by hand"
        )
    said += _mirror_faults(rows, mirror)
    for row in {row.version: row for row in moves_in(rows)}.values():
        said += _artifact_faults(registry, row)
    return said


def _artifact_faults(registry: Registry, row: Row) -> list[str]:
    """Return what is wrong with the card that MLflow keeps for the move of `row`; empty when it is the ledger's."""
    from mlflow.exceptions import MlflowException

    try:
        registry.load(replace(registry.production(row.card, row.version), sha256=row.card_sha256))
    except MlflowException:
        return [f"version-{row.version} is not in MLflow any more"]
    except IntegrityError as fault:
        return [f"version-{row.version}: {fault.where}: expected {fault.expected}, came {fault.came}"]
    return []


def _mirror_faults(rows: list[Row], mirror: Mirror) -> list[str]:
    moves = moves_in(rows)
    expected = moves[-1].version if moves else None
    if mirror.version == expected:
        return []
    names = ["no version" if number is None else f"version-{number}" for number in (mirror.version, expected)]
    return [f"MLflow's alias is on {names[0]}, the ledger's champion is {names[1]}"]


def _adopt(registry: Registry, card: str, deed: Deed, fault: str) -> str:
    number = registry.mirror(card).version
    if number is None:
        raise UsageError(
            "CF602",
            where=f"champion of '{card}'",
            expected="a version that MLflow's alias names",
            came="no alias",
            fix="Restore the database from a backup.",
        )
    version = registry.production(card, number)
    adopted = registry.load(version)
    row = row_of(version, adopted, replace(deed, verdict=f"The ledger was damaged: {fault}."), kind="adopted")
    row = replace(row, version=number)
    registry.ledger.append(row, after=last_mark(registry.ledger.rows(card)))
    registry.reflect(card)
    return f"version-{number} is on record as the champion; the ledger was damaged: {fault}"


def _restore(registry: Registry, champion: Row, deed: Deed, lost: str) -> str:
    number = registry.admit_again(champion)
    said = f"version-{champion.version} again, its card from the ledger, because MLflow's was lost: {lost}"
    row = replace(
        champion, kind="adopted", asked_by="", done_by=deed.by, at=deed.at, reason=deed.reason, verdict=said, canary=""
    )
    row = replace(row, version=number)
    registry.ledger.append(row, after=last_mark(registry.ledger.rows(champion.card)))
    registry.reflect(champion.card)
    return f"the card of version-{champion.version} was lost in MLflow; it is version-{number} now, from the ledger"
