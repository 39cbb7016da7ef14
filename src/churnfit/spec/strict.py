"""Strict parts: frozen, and an unknown key is an error that names the nearest valid one."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Days", "Share", "Strict", "is_name", "nearest"]

Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3660)]


_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def is_name(name: str) -> bool:
    """Say whether a card or a measure may be called so: such names are safe in paths, columns and addresses.

    Examples
    --------
    >>> is_name("logins_28d"), is_name("../logins"), is_name("a__b")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None and "__" not in name


def nearest(name: str, valid: list[str]) -> str:
    """Return a hint that names the valid name nearest to `name`.

    Examples
    --------
    >>> nearest("weigth", ["weight", "red"])
    "nearest valid name: 'weight'"
    >>> nearest("zzz", ["weight", "red"])
    'valid names: red, weight'
    """
    close = get_close_matches(name, valid, n=1)
    return f"nearest valid name: '{close[0]}'" if close else f"valid names: {', '.join(sorted(valid))}"


class Strict(BaseModel):
    """A frozen part of a file: an unknown key is an error that names the nearest valid key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, given: Any) -> Any:
        if isinstance(given, dict):
            valid = list(cls.model_fields)
            unknown = [f"unknown key '{key}'; {nearest(str(key), valid)}" for key in given if key not in valid]
            if unknown:
                raise ValueError("; ".join(unknown))
        return given
