"""Overrides by hand: what became of the accounts beside what the card expected of them."""

from __future__ import annotations

import pandas as pd
import pytest

from churnfit.evaluation.override_rates import override_rates


def said(by: str, direction: str, *, accounts: int, churned: int, expected: float) -> pd.DataFrame:
    """Return so many overruled accounts, of which the first so many left."""
    return pd.DataFrame(
        {
            "said_by": by,
            "direction": direction,
            "churn_probability": expected,
            "churned": [int(number < churned) for number in range(accounts)],
        }
    )


@pytest.mark.parametrize(
    ("direction", "churned", "verdict"),
    [
        ("worse", 20, "knew more"),  # 50 % left where 20 % were expected
        ("worse", 1, "knew less"),
        ("worse", 9, "not known yet"),  # 22 % beside 20 %
        ("better", 1, "knew more"),
        ("better", 20, "knew less"),
    ],
)
def test_overrides_are_held_against_what_the_card_expected(direction: str, churned: int, verdict: str) -> None:
    """Of 40 accounts 20 % were expected to leave."""
    [row] = override_rates(said("people", direction, accounts=40, churned=churned, expected=0.2)).to_dict("records")
    assert row["verdict"] == verdict
    assert row["right"] == pytest.approx(churned / 40 if direction == "worse" else 1 - churned / 40)
    assert (row["expected"], row["churned"]) == (pytest.approx(0.2), churned / 40)
    assert row["churned_low"] < row["churned"] < row["churned_high"]


def test_few_overrides_tell_their_counts_and_no_verdict() -> None:
    """Nine accounts: the share is said, the interval is not."""
    [row] = override_rates(said("people", "worse", accounts=9, churned=9, expected=0.1)).to_dict("records")
    assert (row["accounts"], row["right"], row["verdict"]) == (9, 1.0, "too few")
    assert pd.isna(row["churned_low"])


def test_people_and_each_rule_stand_apart() -> None:
    """And worse apart from better."""
    table = override_rates(
        pd.concat(
            [
                said("people", "worse", accounts=12, churned=6, expected=0.1),
                said("a rule: too large to lose", "worse", accounts=15, churned=1, expected=0.1),
                said("people", "better", accounts=11, churned=0, expected=0.6),
            ]
        )
    )
    assert list(zip(table["said_by"], table["direction"], table["accounts"], strict=True)) == [
        ("a rule: too large to lose", "worse", 15),
        ("people", "better", 11),
        ("people", "worse", 12),
    ]


def test_no_override_makes_an_empty_table() -> None:
    """With its columns."""
    assert list(override_rates(said("people", "worse", accounts=0, churned=0, expected=0.1)).columns)[:2] == [
        "said_by", "direction"
    ]  # fmt: skip
