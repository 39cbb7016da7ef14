"""list, show, diff, promote, rollback and ledger: which version is the champion, and on whose word."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churnfit.errors import BusyError, GateError, UsageError
from churnfit.files import write_text
from churnfit.jobs.history import Say
from churnfit.jobs.replaying import Replay, last_day, replay_weeks
from churnfit.jobs.reproducing import canary
from churnfit.jobs.scoring import refuse_redefined
from churnfit.jobs.signing import moment, signer
from churnfit.jobs.workspace import Workspace
from churnfit.registry import Registry, Row, Version, mending
from churnfit.registry import moves as registry_moves
from churnfit.registry.ledger import last_mark, moves_in
from churnfit.registry.moves import Deed
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.diff import diff
from churnfit.scorecard.render import to_markdown

__all__ = [
    "PromotionPlan",
    "ask",
    "differences",
    "ledger_faults",
    "ledger_rows",
    "load",
    "mend",
    "plan_promotion",
    "promote",
    "rollback",
]


@dataclass(frozen=True, kw_only=True)
class PromotionPlan:
    """What a promotion would change: the candidate, the champion it replaces, the difference in words, its gates.

    `plan_id` is that of this decision and no other: ``YYYYMMDDxWEEKS-`` and a hash of the ledger's last move, the
    candidate, the spec and the dates. `replay` is None where none was wanted.
    """

    plan_id: str
    candidate: Version
    champion: Version | None
    changes: list[str]
    gates: str
    replay: Replay | None

    @property
    def open(self) -> bool:
        """Whether the candidate's gates let it through."""
        return self.candidate.gates_passed


def load(workspace: Workspace, card: str, reference: str) -> tuple[Version | None, Scorecard]:
    """Return the version and card that `reference` names: a version, or the path of a scorecard's JSON."""
    if reference.endswith(".json"):
        return None, Scorecard.from_json(_text_of(Path(reference)))
    registry = workspace.registry()
    version = registry.resolve(card, reference)
    return version, registry.load(version)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(
            "CF401", where=str(path), expected="a scorecard's JSON", came=str(fault), fix="Correct the path."
        ) from fault


def differences(workspace: Workspace, card: str, before: str, after: str) -> list[str]:
    """Return what changed between two versions, in words."""
    return diff(load(workspace, card, before)[1], load(workspace, card, after)[1])


def plan_promotion(
    workspace: Workspace,
    card: str,
    reference: str,
    *,
    until: pd.Timestamp | None = None,
    weeks: int = 4,
    say: Say = lambda _: None,
) -> PromotionPlan:
    """Return what promoting `reference` would change; nothing is written.

    Parameters
    ----------
    until : pandas.Timestamp, optional
        The last day of the replay; the newest scored one by default.
    weeks : int
        How many weekly dates are replayed; 0: none. Each costs one snapshot and two scorings.
    """
    registry = workspace.registry()
    candidate = registry.resolve(card, reference)
    learned = registry.load(candidate)
    champion = registry.champion(card)
    present = None if champion is None else registry.load(champion)
    changes = ["the first champion of this card"]
    if present is not None:
        changes = diff(present, learned) or ["no difference: promoting it changes nothing"]
    otherwise = learned.redefined(workspace.spec(card).definitions)
    changes += [f"{name}: the spec takes it otherwise than {candidate.reference} learned it" for name in otherwise]
    until = last_day(workspace, card) if until is None else until
    played = None
    if weeks:
        played = replay_weeks(workspace, workspace.spec(card), present, learned, until=until, weeks=weeks, say=say)
    return PromotionPlan(
        plan_id=_plan_id(workspace, registry.rows(card), candidate, f"{until:%Y%m%d}x{weeks}"),
        candidate=candidate,
        champion=champion,
        changes=changes,
        gates=registry.text(candidate, "gates.txt"),
        replay=played,
    )


def ask(workspace: Workspace, card: str, reference: str, *, reason: str, by: str | None = None) -> Row:
    """Record that somebody asks for the candidate to be promoted by another; return the ledger's row.

    Raises
    ------
    GateError
        CF606 when its gates did not pass.
    """
    registry = workspace.registry()
    candidate = _candidate(registry, card, reference)
    return registry_moves.ask(registry, candidate, _deed(by, reason, registry.text(candidate, "gates.txt")))


def promote(
    workspace: Workspace, card: str, reference: str, *, reason: str, by: str | None = None, plan_id: str | None = None
) -> Version:
    """Make the candidate the champion and write ``champion.json`` and ``champion.md`` beside its spec.

    Parameters
    ----------
    plan_id : str, optional
        The plan that was decided on; what is true now, by default.

    Raises
    ------
    GateError
        CF606 when its gates did not pass; CF612 when a second person is demanded and nobody else asked.
    DataError
        CF219 when the spec takes a measure otherwise than the candidate learned it: no night could be scored.
    BusyError
        CF609 when champion, candidate or spec are no longer those of the plan.
    """
    registry = workspace.registry()
    candidate = _candidate(registry, card, reference)
    rows = registry.rows(card)
    if plan_id is not None:
        _require_fresh(plan_id, _plan_id(workspace, rows, candidate, plan_id.partition("-")[0]), card)
    learned = registry.load(candidate)
    _refuse_redefined(workspace, learned, candidate)
    deed = _deed(by, reason, registry.text(candidate, "gates.txt"))
    after = last_mark(rows)
    version = registry_moves.promote(registry, candidate, deed, after=after, second_person=workspace.second_person)
    _export(workspace, registry, card)
    return version


def rollback(
    workspace: Workspace, card: str, *, reason: str = "rolled back", by: str | None = None
) -> tuple[Version, str]:
    """Make the version that the champion replaced the champion again; return it and what its canary said.

    Before anything moves the restored card scores up to 10,000 accounts again, which must come out as they did.

    Raises
    ------
    UsageError
        CF607 when the champion replaced nothing.
    DataError
        CF219 when the spec takes a measure otherwise than the restored card learned it: no night could be scored.
    IntegrityError
        CF613 when the restored card scores otherwise than it did.
    """
    registry = workspace.registry()
    said: list[str] = []

    def examine(restored: Scorecard, version: Version) -> str:
        _refuse_redefined(workspace, restored, version)
        said.append(canary(workspace, restored, version))
        return said[-1]

    version = registry_moves.rollback(registry, card, _deed(by, reason), examine=examine)
    _export(workspace, registry, card)
    return version, said[-1]


def ledger_rows(workspace: Workspace, card: str) -> list[Row]:
    """Return the card's moves as the ledger has them, oldest first; nothing is checked."""
    return workspace.ledger().rows(card)


def ledger_faults(workspace: Workspace, card: str) -> list[str]:
    """Return everything wrong with the card's ledger, with MLflow's alias and with the artifacts; nothing is mended."""
    return mending.faults(workspace.registry(), card)


def mend(workspace: Workspace, card: str, *, reason: str, by: str | None = None, adopt: bool = False) -> str:
    """Bring MLflow to what the ledger says; return what was done, in a sentence.

    Raises
    ------
    IntegrityError
        CF610 when the ledger is damaged and `adopt` does not put MLflow's champion on record.
    """
    registry = workspace.registry()
    done = mending.mend(registry, card, _deed(by, reason), adopt=adopt)
    _export(workspace, registry, card)
    return done


def _candidate(registry: Registry, card: str, reference: str) -> Version:
    candidate = registry.resolve(card, reference)
    if candidate.kind != "candidate":
        raise GateError(
            "CF606",
            where=f"{card} {reference}",
            expected="a candidate",
            came="a version promoted before",
            fix="Use `churnfit rollback` to go back to it.",
        )
    return candidate


def _refuse_redefined(workspace: Workspace, learned: Scorecard, version: Version) -> None:
    """Raise CF219 as the night would; a card that kept no definitions is held against no spec."""
    if learned.definitions:
        refuse_redefined(learned, workspace.spec(version.card), version)


def _plan_id(workspace: Workspace, rows: list[Row], candidate: Version, dates: str) -> str:
    """Return ``dates-hash``; a row that somebody asked with makes no plan stale, a move does."""
    spec = hashlib.sha256(workspace.cards[candidate.card].read_bytes()).hexdigest()
    last = [row.mark for row in moves_in(rows)[-1:]]
    text = "|".join((candidate.card, *last, candidate.reference, candidate.sha256, spec, dates))
    return f"{dates}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _require_fresh(given: str, now_id: str, card: str) -> None:
    if given != now_id:
        raise BusyError(
            "CF609",
            where=f"plan for '{card}'",
            expected=f"plan {given} to hold still",
            came=f"{now_id}: champion, candidate or spec are others",
            fix="Look at `churnfit ledger`, make a new plan with `churnfit promote`, and decide anew.",
        )


def _deed(by: str | None, reason: str, verdict: str = "") -> Deed:
    return Deed(by=signer(by), at=moment(), reason=reason, verdict=verdict)


def _export(workspace: Workspace, registry: Registry, card: str) -> None:
    """Write the champion for review in git, with the hash of its row of the ledger; nothing reads these files back."""
    champion = registry.champion(card)
    if champion is None:
        return
    learned, last = registry.load(champion), moves_in(registry.ledger.rows(card))[-1]
    folder = workspace.cards[card].parent
    said = f"\nSHA-256 {champion.sha256}; {champion.reference}; row {last.sequence} of the ledger, {last.row_hash}\n"
    write_text(learned.to_json(), folder / "champion.json")
    write_text(to_markdown(learned) + said, folder / "champion.md")
