"""What moved an account, in words."""

from __future__ import annotations

import pandas as pd

from churnfit.cli.summary import change_lines
from churnfit.jobs.explaining import Changed


def score_of(health: float, churn_probability: float, **more: object) -> dict[str, object]:
    """Return a score as explanations have it."""
    return {
        "as_of": "2026-06-23",
        "version": "version-1",
        "health": health,
        "churn_probability": churn_probability,
        **more,
    }


def test_the_words_say_what_moved_worst_first_and_what_it_sums_to() -> None:
    """One line for all a version moved; the sums are those of the sentence above."""
    found = Changed(
        before=score_of(71.0, 0.1),
        after=score_of(59.3, 0.2, version="version-2"),
        changes=pd.DataFrame(
            [
                ("Tickets", "behaviour", "3", "9", -8.0, 0.07),
                ("Logins", "data", "12", "data too old", -4.0, 0.04),
                ("Tickets", "version", None, None, -0.2, 0.005),
                ("Goal", "version", None, None, 0.5, -0.015),
            ],
            columns=["label", "cause", "value_before", "value_after", "health_points", "probability_points"],
        ),
    )
    assert change_lines(found) == [
        "Since 2026-06-23 health fell by 11.70 points (71.00 → 59.30) and churn probability went from 10.0% to 20.0%:",
        "  Tickets: 3 → 9: -8.00 health points, +7.0 % churn probability",
        "  Logins: 12 → data too old (missing or stale data): -4.00 health points, +4.0 % churn probability",
        "  card version-1 → version-2: +0.30 health points, -1.0 % churn probability",
        "  all together: -11.70 health points, +10.0 % churn probability",
    ]
    still = Changed(before=score_of(71.0, 0.1), after=score_of(71.0, 0.1), changes=found.changes.iloc[:0])
    assert change_lines(still) == ["Since 2026-06-23 neither health nor churn probability moved."]


def test_a_new_version_that_moves_nothing_is_still_named() -> None:
    """Other cuts between the bands, the same points."""
    nothing = pd.DataFrame(
        columns=["label", "cause", "value_before", "value_after", "health_points", "probability_points"]
    )
    found = Changed(before=score_of(71.0, 0.1), after=score_of(71.0, 0.1, version="version-2"), changes=nothing)
    assert "  card version-1 → version-2: +0.00 health points, +0.0 % churn probability" in change_lines(found)
