"""Errors: four parts, a documented code, the right exit code, and a bounded message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import churnfit
from churnfit.errors import (
    CODES,
    BusyError,
    ChurnfitError,
    DataError,
    GateError,
    IntegrityError,
    SpecError,
    UsageError,
    count_and_examples,
)
from churnfit.evaluation.gates import GATES

SOURCE = Path(str(churnfit.__file__)).parent


def raised_codes() -> set[str]:
    """Return every code that stands as a whole string literal in the source, but for the table that explains them."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.name != "errors.py":
            found |= set(re.findall(r"""["'](CF\d{3})["']""", path.read_text(encoding="utf-8")))
    return found


def test_every_raised_code_is_explained_and_every_explained_code_is_raised() -> None:
    """The table of codes and the source agree; the gates' codes are their own."""
    gates = {gate.code for gate in GATES}
    assert raised_codes() - gates == set(CODES)
    assert gates == {f"CF{number:03d}" for number in range(1, 16)}


def test_every_code_that_a_text_mentions_exists() -> None:
    """A docstring or a template that names a code names one that can be looked up."""
    known = set(CODES) | {gate.code for gate in GATES}
    for path in (*SOURCE.rglob("*.py"), *SOURCE.rglob("*.toml")):
        mentioned = set(re.findall(r"\bCF\d{3}\b", path.read_text(encoding="utf-8")))
        assert mentioned <= known, path


def test_an_explanation_is_a_sentence() -> None:
    """It begins with a capital and ends with a full stop."""
    for code, text in CODES.items():
        assert text[0].isupper(), code
        assert text.endswith("."), code


def test_a_message_has_its_four_parts_in_order_and_says_that_nothing_was_written() -> None:
    """Code and place, expected, came, what to do."""
    fault = DataError("CF207", where="accounts.arr", expected=">= 0", came="1 (A17)", fix="Correct it.")
    assert str(fault) == "CF207 accounts.arr: expected >= 0; came 1 (A17). Correct it. Nothing was written."
    assert fault.as_dict() == {
        "code": "CF207",
        "where": "accounts.arr",
        "expected": ">= 0",
        "came": "1 (A17)",
        "fix": "Correct it.",
    }


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (ChurnfitError, 70),
        (DataError, 1),
        (GateError, 1),
        (UsageError, 2),
        (SpecError, 2),
        (BusyError, 3),
        (IntegrityError, 4),
    ],
)
def test_each_kind_of_fault_has_its_exit_code(kind: type[ChurnfitError], exit_code: int) -> None:
    """Data and gates 1, usage 2, busy 3, integrity 4, anything else is a bug: 70."""
    assert kind.exit_code == exit_code


def test_examples_are_bounded() -> None:
    """Five values at most, forty characters each, whatever comes."""
    assert count_and_examples([]) == "0 ()"
    assert count_and_examples(["x" * 100]) == f"1 ({'x' * 40})"
    assert count_and_examples(iter("abcdefg")) == "7 (a, b, c, d, e, …)"
    assert count_and_examples(["a", "b"], total=1234) == "1,234 (a, b, …)"
