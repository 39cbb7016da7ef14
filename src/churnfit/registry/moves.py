"""Who becomes champion: ask, promote, roll back; each is one row of the ledger, then MLflow's alias.

The row is the move. Killed before it, nothing happened (but for a spare copy that the next promotion takes); killed
after it, the next command sets the alias forward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from churnfit.errors import BusyError, GateError, UsageError
from churnfit.registry.ledger import Kind, Row, last_mark, moves_in, reigns, stale
from churnfit.registry.records import Version
from churnfit.registry.versions import Registry
from churnfit.scorecard.card import Scorecard

__all__ = ["Deed", "ask", "predecessor", "promote", "rollback", "row_of"]


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Who does it, when (ISO-8601, UTC) and why; `verdict` is what the gates said.

    `by` is a name given, not proven: who may write is the database's and the MLflow server's to say.
    """

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
    row = registry.ledger.append(row_of(candidate, registry.load(candidate), deed, kind="asked"), after=last_mark(rows))
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
    if after is not None and after != last_mark(rows):
        raise stale(candidate.card, expected=after, came=last_mark(rows))
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
    row = replace(row_of(candidate, card, deed, kind="promoted"), version=number, asked_by=asked_by)
    registry.ledger.append(row, after=last_mark(rows))
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
    row = row_of(version, restored, replace(deed, verdict=earlier.verdict), kind="rolled back")
    row = replace(row, version=earlier.version, canary=canary)
    registry.ledger.append(row, after=last_mark(rows))
    registry.reflect(card)
    return registry.version(card, "version", earlier.version)


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


def row_of(version: Version, card: Scorecard, deed: Deed, *, kind: Kind) -> Row:
    """Return the row that says `deed` was done to `version`, whose card is `card`; place and hashes come later."""
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
