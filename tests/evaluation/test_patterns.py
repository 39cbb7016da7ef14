"""Who will churn and who will not, one measure at a time, on each landmark day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.small_card import spec_of

from churnfit.evaluation.patterns import early_patterns


def cohort(rows: int = 400) -> pd.DataFrame:
    """Return two looks at each account, a quarter of which churns.

    Logins are 2 for churners and 8 for others on day 60, alike on day 30; churners have no ticket or ten, others four;
    the goal is noise.
    """
    generator = np.random.default_rng(3)
    left = np.arange(rows) % 4 == 0
    days = []
    for day in (30, 60):
        logins = np.where(left & (day == 60), 2.0, 8.0) + generator.normal(0, 0.5, rows)
        tickets = np.where(left, np.where(np.arange(rows) % 8 == 0, 0.0, 10.0), 4.0)
        days.append(
            pd.DataFrame(
                {
                    "account_id": [f"A{n:03}" for n in range(rows)],
                    "stage_day": day,
                    "churned": left.astype(int),
                    "started_at": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(np.arange(rows), unit="D"),
                    "logins": np.where(left & (np.arange(rows) % 3 == 0), np.nan, logins) if day == 60 else logins,
                    "logins__state": None,
                    "tickets": tickets,
                    "goal": generator.choice(["cost", "growth"], rows),
                }
            )
        )
    return pd.concat(days, ignore_index=True)


def test_the_earliest_tell_comes_first_and_two_sides_count() -> None:
    """Tickets tell on day 30, both ways; logins from day 60; the goal never does."""
    table = early_patterns(cohort(), spec_of())
    assert table["measure"].tolist() == ["tickets"] * 2 + ["logins"] * 2 + ["goal"] * 2
    assert table["stage_day"].tolist() == [30, 60] * 3
    assert table["tells"].tolist() == [True, True, False, True, False, False]
    assert table["auc"].iloc[0] == 1.0
    assert table.loc[table["measure"] == "goal", "auc"].between(0.4, 0.6).all()


def test_values_and_gaps_of_both_stand_beside_one_another() -> None:
    """On day 60 the middle churner has logged in twice, and every third of them has no value."""
    table = early_patterns(cohort(), spec_of()).set_index(["measure", "stage_day"])
    late = table.loc[("logins", 60)]
    assert (late["stayed_rows"], late["churned_rows"]) == (300, 100)
    assert (late["churned"], late["stayed"]) == (pytest.approx(2.0, abs=0.2), pytest.approx(8.0, abs=0.1))
    assert late["churned_low"] < late["churned"] < late["churned_high"]
    assert (late["stayed_gaps"], late["churned_gaps"]) == (0.0, pytest.approx(0.34))
    assert pd.isna(table.loc[("goal", 60), "stayed"])  # text has no quartiles


def test_a_gap_tells_too() -> None:
    """Churners have no value: the gap is what tells."""
    rows = cohort()
    rows["goal"] = rows["goal"].where(rows["churned"] == 0)
    table = early_patterns(rows, spec_of()).set_index(["measure", "stage_day"])
    assert table.loc[("goal", 30), "tells"]


def test_labels_dealt_by_chance_tell_nothing() -> None:
    """Over forty worlds of noise a measure is said to tell about as often as a 90 % interval errs on one side."""
    told = []
    for seed in range(40):
        rows = cohort(160)[["account_id", "stage_day", "churned", "started_at", "goal"]]
        generator = np.random.default_rng(seed)
        for name in ("logins", "tickets"):
            rows[name] = generator.normal(size=len(rows))
        told += early_patterns(rows, spec_of())["tells"].tolist()
    assert np.mean(told) < 0.1


def test_few_churners_tell_nothing() -> None:
    """Nineteen churned, nine of them in the older half: the values are shown, the AUC is not known."""
    rows = cohort(76)
    table = early_patterns(rows, spec_of())
    assert table["churned_rows"].eq(19).all()
    assert table["auc"].isna().all()
    assert not table["tells"].any()
