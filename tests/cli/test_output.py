"""What is printed: data that cannot paint, documents that parse."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from churnfit.cli.output import print_document, print_lines, print_table, shown

EVIL = "a\x1b[31mb\u202ec\rd\ne\x9bf\x00"


def test_control_characters_are_shown() -> None:
    """C0 by their pictures, C1 and direction marks by a placeholder; other writing stays."""
    assert shown(EVIL) == "a␛[31mb�c␍d␊e�f␀"
    assert shown("日本 Ünïcode 🧨 [bold]") == "日本 Ünïcode 🧨 [bold]"


def test_a_document_has_null_for_every_gap(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN, infinity, NaT and numpy's numbers: JSON has none of them."""
    print_document(
        row={"nan": float("nan"), "numpy": np.float64("nan"), "inf": float("-inf"), "int": np.int64(3)},
        rows=[{"x": np.float64(1.5), "flag": np.True_}, (1.0, float("nan")), pd.NaT, pd.NA],
        day=date(2026, 6, 30),
        at=datetime(2026, 6, 30, tzinfo=UTC),
        name=EVIL,
    )
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "schema_version": 1,
        "row": {"nan": None, "numpy": None, "inf": None, "int": 3},
        "rows": [{"x": 1.5, "flag": True}, [1.0, None], None, None],
        "day": "2026-06-30",
        "at": "2026-06-30T00:00:00+00:00",
        "name": EVIL,
    }


def test_a_table_reads_no_markup_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells are text, and so is the title."""
    print_table(("account",), [("[red]Acme[/red]",), (EVIL,), (pd.NA,)], title="[/x].csv")
    out = capsys.readouterr().out
    assert "[red]Acme[/red]" in out
    assert "[/x].csv" in out
    assert "\x1b" not in out
    assert "␛[31mb" in out


def test_lines_break_only_where_they_should(capsys: pytest.CaptureFixture[str]) -> None:
    """A line feed ends a line; anything else that moves the cursor is shown."""
    print_lines("one\ntwo", "thr\x1bee\r")
    assert capsys.readouterr().out == "one\ntwo\nthr␛ee␍\n"
