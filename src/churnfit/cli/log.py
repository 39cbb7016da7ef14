"""Structured logs: with ``--log json`` or CHURNFIT_LOG=json stderr holds one JSON object a line, for machines.

They carry steps, run keys, counts and codes, never customers: of an error its code, not what came.
"""

from __future__ import annotations

import json
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

from churnfit.errors import UsageError

__all__ = ["choose", "in_json", "record"]

_FORM: ContextVar[str] = ContextVar("form of the log", default="text")


def choose(form: str) -> None:
    """Let what follows be logged as ``text`` or ``json``; CF703 where it is neither."""
    _FORM.set("text")
    if form not in ("text", "json"):
        raise UsageError("CF703", where="--log", expected="text or json", came=form, fix="Give one of them.")
    _FORM.set(form)


def in_json() -> bool:
    """Whether stderr is for machines."""
    return _FORM.get() == "json"


def record(step: str, *, level: Literal["info", "error"] = "info", **facts: str | int) -> None:
    """Write one line where stderr is for machines: the moment (UTC), the step, and facts that name nobody."""
    if in_json():
        moment = datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print(json.dumps({"time": moment, "level": level, "step": step, **facts}), file=sys.stderr)  # noqa: T201
