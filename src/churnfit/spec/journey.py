"""The journey through a stage: its steps in order, when each is due, which one ends the stage, and what follows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from churnfit.spec.strict import Days, Share, Strict, nearest

__all__ = ["Journey", "NextStage", "Step"]


class Step(Strict):
    """A milestone: `kinds` and `where` select its events, the first of which is the step; `due_day` of the stage.

    With a `playbook`, an account that has not reached it after that day gets a call to action.
    """

    label: str = ""
    kinds: Annotated[list[str], Field(min_length=1)]
    where: dict[Literal["feature", "user_id"], list[str]] = {}
    due_day: Days | None = None
    playbook: str | None = None

    @model_validator(mode="after")
    def _a_playbook_needs_a_day(self) -> Self:
        if self.playbook is not None and self.due_day is None:
            raise ValueError("`playbook` is what to do when the step is late: it needs a due_day")
        return self


class Journey(Strict):
    """What an account goes through in the stage.

    `ends` names the step with which the stage ends (the last one, by default). An account that has not reached it on
    the day by which the share `overstay` of its segment had, stays too long; a segment in which fewer than
    `min_reached` accounts reached a step is taken together with all others. With a `playbook`, overstaying opens a call
    to action.
    """

    steps: Annotated[dict[str, Step], Field(min_length=1)]
    ends: str = ""
    overstay: Annotated[Share, Field(gt=0, lt=1)] = 0.9
    min_reached: Annotated[int, Field(ge=1)] = 20
    playbook: str | None = None

    @model_validator(mode="after")
    def _the_end_is_a_step(self) -> Self:
        if self.ends and self.ends not in self.steps:
            raise ValueError(f"ends: '{self.ends}' is no step; {nearest(self.ends, list(self.steps))}")
        return self

    @property
    def last(self) -> str:
        """The step with which the stage ends."""
        return self.ends or list(self.steps)[-1]

    @property
    def alerts(self) -> bool:
        """Whether lateness of any kind opens calls to action."""
        return self.playbook is not None or any(step.playbook is not None for step in self.steps.values())

    def label_of(self, step: str) -> str:
        """Return the step's label, or its name with spaces."""
        return self.steps[step].label or step.replace("_", " ")


class NextStage(Strict):
    """The stage that follows, and who is ready for it: `when` is a condition over measures and ``account.<column>``.

    Whoever has moved keeps the open calls to action of this stage until a person closes them.
    """

    stage: Annotated[str, Field(min_length=1)]
    when: str
