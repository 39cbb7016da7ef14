"""The profile of the measures: drift between cohorts, gaps, and a page that says both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.history.tiny_world import spec_of

from churnfit.evaluation.profile import LABEL_STATUS, profile_page, stability_index

SPEC = spec_of({
    "logins": {"aggregate": "count", "kinds": ["login"], "label": "Logins <28>"},
    "plan": {"aggregate": "attribute", "column": "plan", "label": "Plan"},
})  # fmt: skip


def rows_of(cohorts: dict[str, tuple[float, str]], *, size: int = 200) -> pd.DataFrame:
    """Return snapshots on days 30 and 60: per cohort the mean of the logins and the plan of most accounts."""
    rng = np.random.default_rng(2)
    parts = []
    for cohort, (mean, plan) in cohorts.items():
        for day in (30, 60):
            logins = pd.Series(rng.poisson(mean, size).astype("float64")).where(rng.random(size) > 0.1)
            state = pd.Series(np.where(logins.isna(), "stale", None), dtype="str")
            plans = pd.Series(rng.choice([plan, "pro"], size, p=[0.8, 0.2]), dtype="str")
            identity = [f"{cohort} {number}" for number in range(size)]
            parts.append(
                pd.DataFrame({"account_id": identity, "cohort": cohort, "stage_day": day, LABEL_STATUS: "matured",
                              "churned": 0, "logins": logins, "logins__state": state, "plan": plans,
                              "plan__state": pd.Series([None] * size, dtype="str")})
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_the_index_by_hand() -> None:
    """Half of 'a' and 'b' before, three quarters 'a' after: (0.75-0.5)ln(1.5) + (0.25-0.5)ln(0.5)."""
    before, after = pd.Series(["a", "b"] * 50), pd.Series(["a"] * 75 + ["b"] * 25)
    assert stability_index(before, after) == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5))


def test_gaps_are_a_population_of_their_own() -> None:
    """Numbers that stay alike while half of them go missing are drift."""
    numbers = pd.Series(np.arange(100.0))
    assert stability_index(numbers, numbers.where(numbers % 2 == 0)) > 0.25
    assert stability_index(numbers, numbers.sample(frac=1, random_state=1)) == pytest.approx(0)


def test_the_page_names_what_moved_and_why_values_are_missing() -> None:
    """A measure whose newest cohort doubled has moved, the others are stable, gaps are shares of all snapshots."""
    page = profile_page(rows_of({"2024-01": (4, "free"), "2024-02": (4, "free"), "2024-03": (9, "free")}), SPEC)
    moved = page[page.index(">What moved</h2>") : page.index(">Why values are missing</h2>")]
    assert "Logins &lt;28&gt;</th><td>" in page
    logins, plan = (line for line in moved.splitlines() if line.startswith("<tr>") and 'scope="row"' in line)
    assert logins.endswith("<td>moved</td></tr>")
    assert plan.endswith("<td>stable</td></tr>")
    assert "data too old" in page
    assert "<svg" in page
    assert page == profile_page(rows_of({"2024-01": (4, "free"), "2024-02": (4, "free"), "2024-03": (9, "free")}), SPEC)


def test_young_cohorts_are_compared_on_the_days_they_have_reached() -> None:
    """That the newest cohort has been seen on day 30 only is no drift, though day 60 looks different."""
    rows = rows_of({"2024-01": (4, "free"), "2024-02": (4, "free")})
    rows.loc[rows["stage_day"] == 60, "logins"] += 20
    page = profile_page(rows[(rows["cohort"] != "2024-02") | (rows["stage_day"] == 30)], SPEC)
    assert "moved</td>" not in page


def test_one_cohort_has_nothing_to_be_compared_with() -> None:
    """The page says so instead of drawing a line through one point."""
    page = profile_page(rows_of({"2024-01": (4, "free")}), SPEC)
    assert "There is one cohort only" in page
    assert "<svg" not in page


def test_a_price_in_a_label_is_no_formula() -> None:
    """Two dollars in a label: matplotlib would set what is between them as a formula, or fail at it."""
    priced = spec_of({"logins": {"aggregate": "count", "kinds": ["login"], "label": "Logins at $5_$"}})
    page = profile_page(rows_of({"2024-01": (4, "free"), "2024-02": (4, "free")}), priced)
    assert "<svg" in page
