"""Save rates by hand: who was in the queue beside who was held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnfit.evaluation.save_rates import churn_averted, contradicts, save_rate, save_rates


def side(playbook: str, reason: str, *, held_out: bool, accounts: int, churned: int) -> pd.DataFrame:
    """Return so many accounts, of which the first so many churned, and each second of the queued was called."""
    return pd.DataFrame(
        {
            "account_id": [f"{playbook} {reason} {held_out} {number}" for number in range(accounts)],
            "playbook": playbook,
            "reason": reason,
            "held_out": held_out,
            "called": [not held_out and number % 2 == 0 for number in range(accounts)],
            "churned": [int(number < churned) for number in range(accounts)],
        }
    )


def of_playbook(
    name: str, *, queued: tuple[int, int], held_out: tuple[int, int], reason: str = "logins"
) -> pd.DataFrame:
    """Return both sides, each as (accounts, churned)."""
    sides = ((False, queued), (True, held_out))
    return pd.concat([side(name, reason, held_out=alone, accounts=n, churned=k) for alone, (n, k) in sides])


def test_a_playbook_saves_or_does_nothing_or_is_not_known_yet() -> None:
    """The bands count on 30 %: of 200 held-out ones 80 leave; of the queued 10 %, 40 %, 39 of 100, 60 %, or 3 of 10."""
    table = save_rates(
        pd.concat(
            [
                of_playbook("a", queued=(1000, 100), held_out=(200, 80)),
                of_playbook("b", queued=(1000, 400), held_out=(1000, 400)),
                of_playbook("c", queued=(100, 39), held_out=(30, 12)),
                of_playbook("d", queued=(1000, 600), held_out=(200, 80)),
                of_playbook("e", queued=(10, 3), held_out=(200, 80)),
                of_playbook("f", queued=(100, 3), held_out=(200, 4)),
            ]
        ),
        expected=0.3,
    )
    assert dict(zip(table["playbook"], table["verdict"], strict=True)) == {
        "": "does nothing", "a": "saves", "b": "does nothing", "c": "not known yet", "d": "does harm", "e": "too few",
        "f": "too few",
    }  # fmt: skip
    a = table.iloc[1]
    assert (a["queued"], a["called"], a["held_out"]) == (1000, 500, 200)
    assert (a["averted"], a["save_rate"]) == (pytest.approx(0.3), pytest.approx(0.75))  # 40 % - 10 %; 1 - 10 / 40
    assert (
        table.loc[table["verdict"] == "too few", ["averted_low", "save_rate", "save_rate_high"]].isna().all(axis=None)
    )


def test_reasons_of_a_playbook_stand_apart_where_there_are_several() -> None:
    """Calls about logins save half, calls about seats nobody; the whole comes first."""
    accounts = pd.concat(
        [
            of_playbook("a", reason="logins", queued=(400, 80), held_out=(200, 80)),
            of_playbook("a", reason="seats", queued=(400, 160), held_out=(200, 80)),
        ]
    )
    table = save_rates(accounts, expected=0.2)
    assert table["reason"].tolist() == ["", "logins", "seats"]
    assert table["save_rate"].tolist() == pytest.approx([0.25, 0.5, 0.0])
    assert table["queued"].tolist() == [800, 400, 400]


def test_all_playbooks_together_count_an_account_once() -> None:
    """Everybody of b had been in a before: all are those of a. Of its 400 queued 80 left, of 200 held out 80: half."""
    a = of_playbook("a", queued=(400, 80), held_out=(200, 80))
    b = a.assign(playbook="b").iloc[::2]
    table = save_rates(pd.concat([a, b]), expected=0.3)
    assert table["playbook"].tolist() == ["", "a", "b"]
    assert table["queued"].tolist() == [400, 400, 200]
    assert table.loc[0, "save_rate"] == pytest.approx(0.5)


def test_an_expected_rate_is_contradicted_when_the_interval_of_all_leaves_it_out() -> None:
    """Half are saved, between 0.38 and 0.60: 0.3 is contradicted, 0.4 is not; of too few, nothing is."""
    saved = save_rates(of_playbook("a", queued=(400, 80), held_out=(200, 80)), expected=0.3)
    assert [round(end, 2) for end in saved.loc[0, ["save_rate_low", "save_rate_high"]]] == [0.38, 0.6]
    assert contradicts(saved, 0.3)
    assert contradicts(saved, 0.62)
    assert not contradicts(saved, 0.4)
    few = save_rates(of_playbook("a", queued=(10, 0), held_out=(10, 9)), expected=0.3)
    assert not contradicts(few, 0.3)
    assert not contradicts(few.iloc[:0], 0.3)


def test_nobody_held_out_tells_nothing() -> None:
    """Without the other side there is no comparison, and without anybody no row."""
    queued = side("a", "", held_out=False, accounts=50, churned=5)
    assert save_rates(queued, expected=0.2)["verdict"].tolist() == ["too few"]
    assert save_rates(queued.iloc[:0], expected=0.2).empty


@pytest.mark.parametrize(("queued", "held_out", "churn", "churn_alone"), [(200, 50, 0.1, 0.2), (900, 100, 0.2, 0.2)])
def test_the_intervals_hold_the_truth_about_nine_times_in_ten(
    queued: int, held_out: int, churn: float, churn_alone: float
) -> None:
    """Of 1,000 drawn trials, between 86 % and 95 %."""
    rng = np.random.default_rng(7)
    trials = [(int(rng.binomial(queued, churn)), int(rng.binomial(held_out, churn_alone))) for _ in range(1000)]
    enough = [(left, alone) for left, alone in trials if alone >= 5]
    averted = [churn_averted(left, queued, alone, held_out) for left, alone in enough]
    saved = [save_rate(left, queued, alone, held_out) for left, alone in enough]
    truth, share = churn_alone - churn, 1 - churn / churn_alone
    assert 0.86 <= np.mean([one.low <= truth <= one.high for one in averted]) <= 0.95
    assert 0.86 <= np.mean([one.low <= share <= one.high for one in saved]) <= 0.95


@pytest.mark.parametrize("counts", [(0, 50, 8, 40), (50, 50, 8, 40), (30, 100, 100, 100), (3, 1000, 5, 1000)])
def test_the_ends_are_in_order_where_nobody_or_everybody_left(counts: tuple[int, int, int, int]) -> None:
    """No division by nothing, no root of less."""
    for interval in (churn_averted(*counts), save_rate(*counts)):
        assert interval.known
        assert interval.low <= interval.estimate <= interval.high
