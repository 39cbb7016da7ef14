"""What calling earns, by hand.

The judged rows: 40 at health 25 (30 churned), 60 at 75 (15), 300 at 98 (5), each worth 1,000; a call costs 100 and
saves half. Their probabilities are those rates.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta

from churnfit.evaluation.profit import emp, money_of
from churnfit.evaluation.ranking import ladder


@pytest.fixture
def money(judged, make_spec):
    """What calling earns there, beside a model that knows nothing."""
    rows = judged.assign(weight=1.0, p_hand_made=0.125)
    return money_of(rows, ["card", "hand_made"], make_spec())


def test_the_profit_of_a_cut_is_counted_up(money):
    """Below 26: 30 · 500 − 40 · 100 = 11,000 on 400 rows, 27,500 on 1,000.

    Below 76: 15 · 500 − 60 · 100 = 1,500 more, 31,250. Below 99: 5 · 500 − 300 · 100 more, −37,500.
    """
    assert [money.by_cut[cut].estimate for cut in (0, 25, 26, 76, 99)] == [0.0, 0.0, 27_500.0, 31_250.0, -37_500.0]
    assert money.by_cut[26].low < 27_500 < money.by_cut[26].high


def test_what_the_card_expects_stands_beside_it(money):
    """It knows the rates, so it expects what came."""
    assert money.said_by_cut == pytest.approx([one.estimate for one in money.by_cut])


def test_caught_is_the_lift_curve(money):
    """Nobody called, nobody caught; the riskiest 10 % hold 30 of 50 churners, all accounts hold all."""
    assert [money.caught[share].estimate for share in (0, 10, 25, 100)] == pytest.approx([0.0, 0.6, 0.9, 1.0])


def test_emp_is_the_integral_over_save_rates(money):
    """Per account, the best of nobody, 10 %, 25 % and all, for a save rate of Beta(10, 10), mean one half."""
    assert money.save_rates == (10.0, 10.0)

    def best(rate):
        return max(0.0, 75 * rate - 10, 112.5 * rate - 25, 125 * rate - 100)

    exact = 1000 * quad(lambda rate: best(rate) * beta.pdf(rate, 10, 10), 0, 1)[0]
    assert money.emp["card"].estimate == pytest.approx(exact, rel=1e-3)
    assert 0.10 < money.called["card"].estimate < 0.25


def test_a_model_that_knows_nothing_calls_all_or_nobody(money):
    """All are alike: calling them earns 125 · rate − 100 per account, above 0 for the highest rates only."""
    nobody = 1000 * quad(lambda rate: max(0.0, 125 * rate - 100) * beta.pdf(rate, 10, 10), 0, 1)[0]
    assert money.emp["hand_made"].estimate == pytest.approx(nobody, abs=20)
    difference = money.differences["hand_made"]
    assert difference.estimate == pytest.approx(money.emp["card"].estimate - money.emp["hand_made"].estimate)
    assert difference.low > 0
    assert "card" not in money.differences


def test_a_rich_churner_is_worth_more_than_a_poor_one():
    """Two churners, the richer first: called alone it earns 0.5 · 900 − 100; the other, worth 100, costs 50."""
    steps = ladder(np.array([900.0, 100.0]), np.array([0.9, 0.8]), np.ones((1, 2)))
    profit, called = emp(steps, 100.0, 1.0)
    assert (profit[0], called[0]) == (400.0, 0.5)


def test_a_call_that_saves_nobody_is_never_made():
    """Save rate 0: there is no doubt, and nothing to earn."""
    profit, called = emp(ladder(np.array([900.0]), np.array([0.9]), np.ones((1, 1))), 100.0, 0.0)
    assert (profit[0], called[0]) == (0.0, 0.0)
