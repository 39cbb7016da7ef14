"""A whole `scorecard.toml`: its parts, and the names that refer from one to another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from churnfit.spec.decisions import (
    Bands,
    BaselineMeasure,
    Challenger,
    Evaluation,
    GateLimits,
    Learning,
    OverrideRule,
    Playbook,
    Queue,
)
from churnfit.spec.journey import Journey, NextStage
from churnfit.spec.perception import Perception
from churnfit.spec.sources import Cohort, Group, History, Measure, Sources
from churnfit.spec.strict import Strict, is_name, nearest

__all__ = ["SNAPSHOT_NAMES", "ScorecardSpec"]

_RESERVED = frozenset(
    ("account_id", "as_of", "segment", "stage_day", "owner", "arr", "churned", "started_at", "weight", "cohort")
)
SNAPSHOT_NAMES = frozenset(("as_of", "stage_day"))
"""What snapshots compute of an account: a column of that name in `accounts` is another thing, and is not read."""


class ScorecardSpec(Strict):
    """A whole `scorecard.toml`."""

    name: str
    title: str = ""
    sources: Sources
    history: History = History()
    cohort: Cohort
    journey: Journey | None = None
    next_stage: NextStage | None = None
    perception: Perception | None = None
    groups: dict[str, Group]
    measures: Annotated[dict[str, Measure], Field(min_length=1)]
    baseline: dict[str, BaselineMeasure] = {}
    bands: Bands
    gates: GateLimits = GateLimits()
    playbooks: Annotated[dict[str, Playbook], Field(min_length=1)]
    queue: Queue = Queue()
    overrides: list[OverrideRule] = []
    learning: Learning = Learning()
    challenger: Challenger = Challenger()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _names_are_declared(self) -> Self:
        for name in (self.name, *self.measures):
            if not is_name(name):
                raise ValueError(f"name '{name}' must be lower-case letters, digits and single _, at most 63")
        for name, measure in self.measures.items():
            if name in _RESERVED:
                raise ValueError(f"measures.{name}: the name is taken by a column of every snapshot; choose another")
            if measure.aggregate == "attribute" and str(measure.column).lower() in SNAPSHOT_NAMES:
                raise ValueError(f"measures.{name}.column: '{measure.column}' is computed; rename it in a `sql` source")
        for where, name, valid in self._references():
            if name not in valid:
                raise ValueError(f"{where}: '{name}' is not declared; {nearest(name, valid)}")
        return self

    @model_validator(mode="after")
    def _measures_fit_the_sources(self) -> Self:
        wide = self.sources.measures is not None
        for name, measure in self.measures.items():
            if wide != (measure.aggregate == "column") and not (wide and measure.aggregate == "sql"):
                raise ValueError(f"measures.{name}: aggregate 'column' goes with `sources.measures`, others do not")
            if wide and measure.relative_to is not None:
                raise ValueError(f"measures.{name}.relative_to: a wide table has no days of the stage")
        if wide and (self.cohort.churn_kinds or self.cohort.contraction):
            raise ValueError("cohort: `churn_kinds` and `contraction` are read from events; a wide table has none")
        if wide and self.journey is not None:
            raise ValueError("journey: its steps are read from events; a wide table has none")
        if wide and self.next_stage is not None:
            raise ValueError("next_stage: whoever has moved is seen in accounts.stage; a wide table has none")
        if self.next_stage is not None and self.next_stage.stage == self.cohort.stage:
            raise ValueError(f"next_stage.stage: '{self.cohort.stage}' is the card's own stage (cohort.stage)")
        if wide and self.history.engine != "events":
            raise ValueError(f"history.engine: '{self.history.engine}' reads events; a wide table has none")
        if not wide and not self.cohort.landmark_days:
            raise ValueError("cohort.landmark_days: events need at least one landmark day")
        return self

    def _references(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield every name that must be declared elsewhere: where it stands, the name, the declared ones."""
        groups, measures, playbooks = list(self.groups), list(self.measures), list(self.playbooks)
        for name, measure in self.measures.items():
            yield f"measures.{name}.group", measure.group, groups
        for where, playbook in self._named_playbooks():
            if playbook is not None:
                yield f"{where}.playbook", playbook, playbooks
        if self.perception is not None:
            yield "perception.measure", self.perception.measure, measures
        for name in self.baseline:
            yield f"baseline.{name}", name, measures
        if self.learning.heaviest_group is not None:
            yield "learning.heaviest_group", self.learning.heaviest_group, groups

    def _named_playbooks(self) -> Iterator[tuple[str, str | None]]:
        """Yield every part that may name a playbook: where it stands, and the name."""
        for name, measure in self.measures.items():
            yield f"measures.{name}", measure.playbook
        for name, group in self.groups.items():
            yield f"groups.{name}", group.playbook
        if self.journey is not None:
            yield "journey", self.journey.playbook
            for name, step in self.journey.steps.items():
                yield f"journey.steps.{name}", step.playbook
        if self.perception is not None:
            yield "perception", self.perception.playbook

    def playbook_of(self, measure: str) -> str | None:
        """Return the playbook of a measure, or of its group; None where neither names one."""
        declared = self.measures[measure]
        return declared.playbook or self.groups[declared.group].playbook

    def definition_of(self, measure: str) -> str:
        """Return what decides the measure's values, as canonical JSON: equal texts, equal values of equal sources."""
        declared = self.measures[measure]
        decided = declared.value_fields()
        if declared.relative_to is not None:
            decided["peers"] = [self.cohort.peer_days, self.cohort.min_peers]
        if decided.get("column") == measure:
            del decided["column"]  # as where a wide table's column is not named
        words = set(re.findall(r"(?<![.\w])\w+", declared.sql or ""))  # not those of account.<column>
        read = sorted(name for name in words & set(self.measures) if self.measures[name].sql is None)
        if read:
            decided["reads"] = {name: self.measures[name].value_fields() for name in read}
        return json.dumps(decided, sort_keys=True, ensure_ascii=False)

    @property
    def definitions(self) -> dict[str, str]:
        """What decides each measure's values."""
        return {name: self.definition_of(name) for name in self.measures}

    def to_do(self, playbook: str) -> str:
        """Return a playbook in words, "title: step; step"; its key where it has left the spec since it was used."""
        found = self.playbooks.get(playbook)
        return f"{found.title}: {'; '.join(found.steps)}" if found else playbook

    def label_of(self, measure: str) -> str:
        """Return the measure's label, or its name with spaces."""
        return self.measures[measure].label or measure.replace("_", " ")
