"""Newest rows of a wide table: forty accounts, a row each on days 0, 30, 60, 90 and 120, the day of the export."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.history.tiny_world import at, opened, spec_of

from churnfit.history.leaks.edge import unfinished_columns
from churnfit.history.rules import Finding

PANEL = pd.DataFrame(
    [
        {
            "account_id": f"{n:02}",
            "as_of": at(day),
            "churned_at": pd.NaT,
            "last_month": 10.0 + (n + day // 30) % 3,
            "around": (10.0 + (n + day // 30) % 3) * (0.5 if day == 120 else 1.0),
            "left_to_do": 125.0 - day,
        }
        for n in range(40)
        for day in (0, 30, 60, 90, 120)
    ]
)


def found(root: Path, panel: pd.DataFrame) -> list[Finding]:
    """Return what is found on day 121."""
    spec = spec_of(
        {name: {"aggregate": "column"} for name in ("last_month", "around", "left_to_do")},
        sources={"measures": {"path": "panel.parquet"}},
        cohort={"horizon_days": 20},
    )
    given = panel.assign(churned_at=pd.to_datetime(panel["churned_at"], utc=True))
    with opened(root, spec, panel=given) as con:
        return unfinished_columns(con, spec, observed_to=at(121))


def test_a_column_that_collapses_in_the_newest_rows_counts_days_to_come(tmp_path: Path) -> None:
    """`around` is halved on the last day, in all accounts; one in three falls in other months; `left_to_do` always."""
    [finding] = found(tmp_path, PANEL)
    assert (finding.code, finding.severity, finding.where) == ("CF118", "error", "measures.around")
    # over the 40 accounts about 11 each before and 5.5 each after
    assert finding.came == (
        "in the newest rows (from 2024-04-30) 40 of 40 accounts fall against their row before, by 50% together; "
        "in earlier months 32% do, at most 35%"
    )


def test_a_table_without_newest_rows_to_compare_is_not_judged(tmp_path: Path) -> None:
    """Nineteen accounts a month are too few to say what is usual."""
    assert found(tmp_path, PANEL[PANEL["account_id"] < "19"]) == []
    assert found(tmp_path, PANEL[PANEL["as_of"] < at(100)]) == []
