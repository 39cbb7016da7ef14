"""Which accounts an override rule of the spec is about, and which are ready for the next stage."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.history.tiny_world import spec_of

from churnfit.errors import SpecError
from churnfit.history.conditions import overruled_by_rule, ready_to_move, require_conditions
from churnfit.spec import ScorecardSpec

MEASURED = pd.DataFrame(
    {
        "account_id": ["A", "B", "C", "D"],
        "segment": ["smb", "enterprise", "enterprise", None],
        "arr": [100.0, 90_000.0, 90_000.0, None],
        "stage_day": [10, 20, 30, 40],
        "logins": [0.0, 2.0, 30.0, None],
    }
)


def ruled(*rules: tuple[str, str]) -> ScorecardSpec:
    """Return a spec with rules of (when, band)."""
    measures = {"logins": {"aggregate": "count", "kinds": ["login"]}}
    return spec_of(measures, overrides=[{"when": when, "band": band, "why": "so it is"} for when, band in rules])


def test_the_worst_band_among_the_rules_that_hold_counts() -> None:
    """B is large and hardly used (red), large (amber); C is large; A is new (green); D's gaps leave all of it open."""
    spec = ruled(
        ("account.stage_day < 15", "green"),
        ("account.arr > 50000", "amber"),
        ("account.segment = 'enterprise' AND logins < 5", "red"),
    )
    assert overruled_by_rule(MEASURED, spec) == {"A": 0, "B": 2, "C": 1}
    assert overruled_by_rule(MEASURED, ruled()) == {}


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("(SELECT 1) = 1", r"CF505 overrides\[0\].when"),
        ("logins < 5; DROP TABLE x", r"CF505 overrides\[0\].when"),
        ("logns < 5", r"CF504 overrides\[0\].when.*nearest valid name: 'logins'"),
        ("account.seats > 3", r"CF504 overrides\[0\].when"),
    ],
)
def test_a_condition_that_is_none_is_refused(when: str, message: str) -> None:
    """No query, no second statement, no measure or column that a snapshot does not have."""
    with pytest.raises(SpecError, match=message):
        require_conditions(ruled((when, "red")))


def test_ready_for_the_next_stage_is_who_fulfils_its_condition() -> None:
    """C alone has thirty logins; D's gap leaves it open; without a next stage nobody is ready."""
    measures = {"logins": {"aggregate": "count", "kinds": ["login"]}}
    spec = spec_of(measures, next_stage={"stage": "adoption", "when": "logins > 5"})
    assert ready_to_move(MEASURED, spec) == {"C"}
    assert ready_to_move(MEASURED, ruled()) == set()
    with pytest.raises(SpecError, match=r"CF504 next_stage.when"):
        require_conditions(spec_of(measures, next_stage={"stage": "adoption", "when": "loggins > 5"}))


@pytest.mark.parametrize("name", ["place", "case", "measured_given"])
def test_a_measure_may_be_called_like_a_word_of_the_query(name: str) -> None:
    """Of four accounts B alone has 2 of it."""
    measures = {name: {"aggregate": "count", "kinds": ["login"]}}
    spec = spec_of(measures, overrides=[{"when": f'"{name}" = 2', "band": "red", "why": "so it is"}])
    assert overruled_by_rule(MEASURED.rename(columns={"logins": name}), spec) == {"B": 0}
