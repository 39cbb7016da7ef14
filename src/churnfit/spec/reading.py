"""Reading a spec: TOML to checked values, every faulty key at once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from churnfit.errors import SpecError
from churnfit.spec.scorecard import ScorecardSpec

__all__ = ["read_spec", "read_toml", "spec_error"]

_FAULTS_SHOWN = 10


def read_toml(path: Path) -> dict[str, Any]:
    """Return the parsed TOML of `path`.

    Raises
    ------
    SpecError
        CF401 when the file is missing, CF502 when it is not TOML (with line and column).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(
            "CF401", where=str(path), expected="a TOML file", came="no file", fix="`churnfit init` writes one."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SpecError(
            "CF502", where=str(path), expected="TOML in UTF-8", came=str(fault), fix="Correct that line."
        ) from fault


def read_spec(path: Path) -> ScorecardSpec:
    """Return the spec in `path`, checked.

    Raises
    ------
    SpecError
        CF503 with the faulty keys of every part, unknown ones with the nearest valid one. The values of a part are
        looked at once its keys are known.
    """
    given = read_toml(path)
    try:
        return ScorecardSpec.model_validate(given)
    except ValidationError as fault:
        raise spec_error(str(path), fault) from None


def spec_error(where: str, fault: ValidationError) -> SpecError:
    """Return pydantic's findings as one SpecError."""
    found = []
    for error in fault.errors():
        place = ".".join(str(part) for part in error["loc"]) or "the file"
        found.append(f"{place}: {error['msg'].removeprefix('Value error, ')}")
    more = len(found) - _FAULTS_SHOWN
    return SpecError(
        "CF503",
        where=where,
        expected="a valid spec",
        came="; ".join(found[:_FAULTS_SHOWN]) + (f"; and {more} more" if more > 0 else ""),
        fix="Correct these keys; `churnfit init` writes a commented example.",
    )
