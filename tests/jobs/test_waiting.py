"""A refusal for lack of data says when to come back."""

import pandas as pd
import pytest

from churnfit.errors import DataError
from churnfit.jobs.waiting import with_the_date

REFUSAL = DataError("CF103", where="the training cohort", expected="60 accounts", came="40", fix="Wait.")


def learned_from(accounts, lost):
    return pd.DataFrame(
        {"account_id": [f"A{i}" for i in range(accounts)], "churned": [1] * lost + [0] * (accounts - lost)}
    )


def maturing(accounts):
    """One more account every day from 1 March on, two rows each."""
    days = pd.date_range("2026-03-01", periods=accounts, tz="UTC").repeat(2)
    return pd.DataFrame({"account_id": [f"B{i // 2}" for i in range(2 * accounts)], "matures_on": days})


@pytest.mark.parametrize(
    ("accounts", "lost", "date"),
    [
        (40, 12, "2026-03-20"),  # churners enough: 20 more accounts, the last on day 20
        (80, 4, "2026-03-20"),  # one in twenty churns: 1 more churner is 20 more accounts
        (80, 3, "2026-04-23"),  # 3 in 80: 2 more churners are 54 more accounts
    ],
)
def test_the_date_is_that_of_the_last_account_needed(accounts, lost, date):
    """Accounts are counted once, churners expected at the rate seen so far."""
    said = with_the_date(REFUSAL, learned_from(accounts, lost), maturing(90))
    assert said.code == "CF103"
    assert f"about {date} there should be enough" in str(said)


def test_without_enough_maturing_accounts_no_date_is_promised():
    """One churner short at one in twenty: twenty accounts, and ten are maturing."""
    said = with_the_date(REFUSAL, learned_from(80, 4), maturing(10))
    assert "10 accounts are maturing, about 20 are needed" in str(said)


def test_a_cohort_that_tells_too_little_is_promised_nothing():
    """Eighty accounts and twelve churners are enough in number: the refusal says what it said."""
    assert with_the_date(REFUSAL, learned_from(80, 12), maturing(50)) is REFUSAL
