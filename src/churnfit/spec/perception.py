"""What an account says of itself in a survey, on the survey's own scale, to be held beside what it does."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from churnfit.spec.strict import Strict

__all__ = ["Perception"]


class Perception(Strict):
    """An answer of `measure` from `content_from` is content, one up to `discontent_to` is not (0 to 10: 9 and 6).

    With a `playbook`, an account that says one thing and does another gets a call to action.
    """

    measure: str
    content_from: float
    discontent_to: float
    playbook: str | None = None

    @model_validator(mode="after")
    def _content_lies_above(self) -> Self:
        if self.discontent_to >= self.content_from:
            raise ValueError("discontent_to: must be below content_from")
        return self
