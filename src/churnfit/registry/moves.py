"""Who becomes champion: ask, promote, roll back, mend; each is one row of the ledger, then MLflow's alias.

The row is the move. Killed before it, nothing happened (but for a spare copy that the next promotion takes); killed
after it, the next command sets the alias forward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from churnfit.errors import BusyError, GateError, UsageError
from churnfit.registry.ledger import Kind, Row, faults_of, moves_in, reigns, stale
from churnfit.registry.mirror import MARK, Mirror, damage
from churnfit.registry.records import Version
from churnfit.registry.versions import Registry
from churnfit.scorecard.card import Scorecard

__all__ = ["Deed", "ask", "faults", "mend", "predecessor", "promote", "rollback"]


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Who does it, when (ISO-8601, UTC) and why; `verdict` is what the gates said."""

    by: str
    at: str
    reason: str
    verdict: str = ""


def ask(registry: Registry, candidate: Version, deed: Deed) -> Row:
    """Record that somebody asks for `candidate` to be promoted; another may do it then.

    Raises
    ------
    GateError
        CF606 when its gates did not pass.
    """
    _require_gates(candidate)
    rows = registry.rows(candidate.card)
    row = registry.ledger.append(_row(candidate, registry.load(candidate), deed, kind="asked"), after=_mark(rows))
    registry.reflect(candidate.card)
    return row


def promote(
    registry: Registry, candidate: Version, deed: Deed, *, after: str | None = None, second_person: bool = False
) -> Version:
    """Make `candidate` the champion: copy it to the production model, append the row, move the alias.

    The champion's own card again changes nothing.

    Parameters
    ----------
    after : str, optional
        The mark of the ledger's last row that the decision was made on; what is last now, by default.
    second_person : bool
        Demand that another person than `deed.by` asked for it since the last move.

    Raises
    ------
    GateError
        CF606 when its gates did not pass, CF612 when nobody else asked.
    BusyError
        CF608 when the champion is no longer the one its gates compared it with, CF609 when somebody else was first.
    """
    _require_gates(candidate)
    rows = registry.rows(candidate.card)
    if after is not None and after != _mark(rows):
        raise stale(candidate.card, expected=after, came=_mark(rows))
    card = registry.load(candidate)
    champion = next(iter(moves_in(rows)[-1:]), None)
    if champion is not None and champion.card_sha256 == candidate.sha256:
        return registry.version(candidate.card, "version", champion.version)
    if candidate.judged_against != (champion.card_sha256 if champion else ""):
        raise BusyError(
            "CF608",
            where=f"{candidate.card} {candidate.reference}",
            expected="gates that compared it with the present champion",
            came=f"a comparison with {candidate.judged_against[:12] or 'none'}",
            fix="Fit again: the new candidate is judged against the champion of today.",
        )
    asked_by = _asker(rows, candidate, deed, demanded=second_person)
    number = registry.admit(candidate, reason=deed.reason)
    row = replace(_row(candidate, card, deed, kind="promoted"), version=number, asked_by=asked_by)
    registry.ledger.append(row, after=_mark(rows))
    registry.reflect(candidate.card)
    return registry.version(candidate.card, "version", number)


def predecessor(registry: Registry, card: str) -> Version:
    """Return the version that the champion replaced.

    Raises
    ------
    UsageError
        CF607 when the champion replaced nothing, CF602 when there is no champion.
    """
    return registry.version(card, "version", _before(registry, card).version)


def rollback(registry: Registry, card: str, deed: Deed, *, examine: Callable[[Scorecard, Version], str]) -> Version:
    """Make the version that the champion replaced the champion again.

    Parameters
    ----------
    examine : callable
        Is given the restored card and its version before anything is written; returns what it found, or raises.

    Raises
    ------
    UsageError
        CF607 when the champion replaced nothing.
    BusyError
        CF609 when somebody else was first.
    """
    rows = registry.rows(card)
    earlier = _before(registry, card)
    version = registry.version(card, "version", earlier.version)
    restored = registry.load(version)
    canary = examine(restored, version)
    row = _row(version, restored, replace(deed, verdict=earlier.verdict), kind="rolled back")
    row = replace(row, version=earlier.version, canary=canary)
    registry.ledger.append(row, after=_mark(rows))
    registry.reflect(card)
    return registry.version(card, "version", earlier.version)


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
    if lost := registry.artifact_faults(card, champion.version, champion.card_sha256):
        return _restore(registry, champion, deed, lost[0])
    registry.reflect(card)
    was = "no version" if mirror.version is None else f"version-{mirror.version}"
    if (mirror.version, mirror.mark) == (champion.version, _mark(rows)):
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
    for version, row in {row.version: row for row in moves_in(rows)}.items():
        said += registry.artifact_faults(card, version, row.card_sha256)
    return said


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
    row = _row(version, adopted, replace(deed, verdict=f"The ledger was damaged: {fault}."), kind="adopted")
    row = replace(row, version=number)
    registry.ledger.append(row, after=_mark(registry.ledger.rows(card)))
    registry.reflect(card)
    return f"version-{number} is on record as the champion; the ledger was damaged: {fault}"


def _restore(registry: Registry, champion: Row, deed: Deed, lost: str) -> str:
    number = registry.admit_again(champion)
    said = f"version-{champion.version} again, its card from the ledger, because MLflow's was lost: {lost}"
    row = replace(
        champion, kind="adopted", asked_by="", done_by=deed.by, at=deed.at, reason=deed.reason, verdict=said, canary=""
    )
    row = replace(row, version=number)
    registry.ledger.append(row, after=_mark(registry.ledger.rows(champion.card)))
    registry.reflect(champion.card)
    return f"the card of version-{champion.version} was lost in MLflow; it is version-{number} now, from the ledger"


def _require_gates(candidate: Version) -> None:
    if not candidate.gates_passed:
        raise GateError(
            "CF606",
            where=f"{candidate.card} {candidate.reference}",
            expected="every gate passed",
            came="a gate that said no",
            fix=f"churnfit show {candidate.reference} names it; refit, or change the limit in the spec.",
        )


def _asker(rows: list[Row], candidate: Version, deed: Deed, *, demanded: bool) -> str:
    """Return who else asked for `candidate` since the last move, "" where nobody did and nobody had to; or CF612."""
    since = rows[rows.index(moves_in(rows)[-1]) + 1 :] if moves_in(rows) else rows
    asked = [row.done_by for row in since if row.kind == "asked" and row.card_sha256 == candidate.sha256]
    others = [person for person in asked if person != deed.by]
    if not others and demanded:
        raise GateError(
            "CF612",
            where=f"{candidate.card} {candidate.reference}",
            expected="that one person asks and another promotes (second_person in churnfit.toml)",
            came=f"'{deed.by}' asked alone" if asked else "nobody asked since the last move",
            fix="One runs `churnfit promote --ask --reason '...'`, another `--apply`; --by names who.",
        )
    return others[-1] if others else ""


def _before(registry: Registry, card: str) -> Row:
    chain = reigns(registry.rows(card))
    if len(chain) < 2:
        champion = registry.resolve(card, "champion")
        raise UsageError(
            "CF607",
            where=f"card '{card}'",
            expected="an earlier champion",
            came=f"{champion.reference} is the first",
            fix="Promote another candidate instead.",
        )
    return chain[-2]


def _row(version: Version, card: Scorecard, deed: Deed, *, kind: Kind) -> Row:
    return Row(
        card=version.card,
        kind=kind,
        done_by=deed.by,
        at=deed.at,
        reason=deed.reason,
        verdict=deed.verdict,
        candidate=version.promoted_from or version.reference,
        card_sha256=card.sha256,
        card_json=card.to_json(),
    )


def _mark(rows: list[Row]) -> str:
    return rows[-1].mark if rows else ""
