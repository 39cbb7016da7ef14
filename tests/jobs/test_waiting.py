"""A refusal for lack of data says when to come back."""

from datetime import date

import pandas as pd
import pytest

from churnfit.errors import DataError
from churnfit.jobs.waiting import with_the_date
from churnfit.spec import Evaluation

REFUSAL = DataError("CF103", where="the training cohort", expected="60 accounts", came="40", fix="Wait.")

FIFTH = Evaluation(judge_share=0.2)


def learned_from(accounts, lost):
    return pd.DataFrame(
        {"account_id": [f"A{i}" for i in range(accounts)], "churned": [1] * lost + [0] * (accounts - lost)}
    )


def maturing(accounts):
    """One more account every day from 1 March on, two rows each."""
    days = pd.date_range("2026-03-01", periods=accounts, tz="UTC").repeat(2)
    return pd.DataFrame({"account_id": [f"B{i // 2}" for i in range(2 * accounts)], "matures_on": days})


@pytest.mark.parametrize(
    ("accounts", "lost", "day"),
    [
        (40, 12, "2026-03-25"),  # churners enough: 20 more accounts that train are 25 more, the last on day 25
        (80, 4, "2026-03-25"),  # one in twenty churns: 1 more churner is 20 more accounts that train
        (80, 3, "2026-05-07"),  # 3 in 80: 2 more churners are 54 more accounts that train, 68 more in all
    ],
)
def test_the_date_is_that_of_the_last_account_needed(accounts, lost, day):
    """Accounts are counted once, churners expected at the rate seen so far; one account in five judges."""
    said = with_the_date(REFUSAL, learned_from(accounts, lost), maturing(90), evaluation=FIFTH)
    assert said.code == "CF103"
    assert f"about {day} there should be enough" in str(said)


def test_without_enough_maturing_accounts_no_date_is_promised():
    """One churner short at one in twenty: twenty accounts that train, 25 in all, and ten are maturing."""
    said = with_the_date(REFUSAL, learned_from(80, 4), maturing(10), evaluation=FIFTH)
    assert "10 accounts are maturing, about 25 are needed" in str(said)


def test_a_cohort_that_tells_too_little_is_promised_nothing():
    """Eighty accounts and twelve churners are enough in number: the refusal says what it said."""
    assert with_the_date(REFUSAL, learned_from(80, 12), maturing(50), evaluation=FIFTH) is REFUSAL


def test_where_newer_accounts_only_judge_no_date_is_promised():
    """The spec says which cohorts train: those that mature are none of them."""
    fixed = Evaluation(train_before=date(2026, 1, 1))
    assert with_the_date(REFUSAL, learned_from(40, 12), maturing(90), evaluation=fixed) is REFUSAL
