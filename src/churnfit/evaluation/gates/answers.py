"""What a gate looks at, what it finds, and the verdict that all gates make together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from churnfit.evaluation.prose import Section, as_markdown, as_text, json_safe
from churnfit.evaluation.results import BandRow, EvaluationReport
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from churnfit.scorecard.card import Scorecard

__all__ = ["Answer", "Evidence", "Finding", "Gate", "Verdict", "Weeks", "decided", "not_applicable"]

Outcome = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """What the card would have asked of the team in past weeks.

    `weeks` after the first, which opens what has piled up; `opened` calls to action in these; `owners` who share them
    (0: no account has an owner); `flips` of the shown band, changes at a cut that the next weeks took back, in so many
    `account_weeks`.
    """

    weeks: int
    opened: int
    owners: int
    flips: int
    account_weeks: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the gates look at.

    `champion_lacks`: measures of the champion that the spec no longer has, or takes otherwise. `leaks`: what the leak
    sentinel says of the sources. `weeks`: None where nothing could be replayed.
    """

    report: EvaluationReport
    card: Scorecard
    spec: ScorecardSpec
    has_champion: bool
    champion_lacks: tuple[str, ...]
    leaks: tuple[str, ...]
    weeks: Weeks | None

    def band(self, name: str) -> BandRow:
        """Return the row of one band."""
        return next(row for row in self.report.bands if row.band == name)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one gate found: the outcome, its limit and the number found, in words, and a sentence."""

    outcome: Outcome
    limit: str
    found: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A coded question about a card; `ask` answers it from the evidence and the named `limits` of the spec."""

    code: str
    title: str
    question: str
    limits: tuple[str, ...] = ()
    ask: Callable[[Evidence], Finding] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One gate's answer."""

    code: str
    title: str
    outcome: Outcome
    limit: str
    found: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All answers. A card may be promoted when every gate passed or does not apply."""

    name: str
    answers: tuple[Answer, ...]

    @property
    def passed(self) -> bool:
        """Whether no gate failed."""
        return all(answer.outcome != "failed" for answer in self.answers)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-safe values."""
        safe: dict[str, Any] = {"passed": self.passed} | json_safe(self)
        return safe

    def to_text(self) -> str:
        """Return the verdict as aligned plain text."""
        return as_text(f"{self.name}: gates", [self.section()])

    def to_markdown(self) -> str:
        """Return the verdict as Markdown."""
        return as_markdown(f"{self.name}: gates", [self.section()])

    def section(self) -> Section:
        """Return the verdict as a section of a page."""
        failed = [answer for answer in self.answers if answer.outcome == "failed"]
        return Section(
            title=f"Promotion is closed: {len(failed)} failed" if failed else "Promotion is open",
            sentences=tuple(f"{answer.code}: {answer.sentence}" for answer in failed),
            header=("code", "gate", "outcome", "limit", "found"),
            rows=tuple((a.code, a.title, a.outcome, a.limit, a.found) for a in self.answers),
        )


def decided(passed: bool, limit: str, found: str, sentences: tuple[str, str]) -> Finding:
    """Return a finding; `sentences` are said when it passed, and when it failed."""
    return Finding(
        outcome="passed" if passed else "failed", limit=limit, found=found, sentence=sentences[0 if passed else 1]
    )


def not_applicable(limit: str, sentence: str) -> Finding:
    """Return a finding that says why there is nothing to judge."""
    return Finding(outcome="not applicable", limit=limit, found="-", sentence=sentence)
