import numpy as np
import pandas as pd
import pytest

from churnfit.errors import DataError
from churnfit.learning.baseline import hand_made_health, hand_made_probability
from churnfit.spec import BaselineMeasure

CARD = {
    "logins": BaselineMeasure(weight=3, green=10, amber=5),
    "tickets": BaselineMeasure(weight=1, green=2, amber=4),
}


def test_thresholds_earn_full_half_and_nothing_in_both_directions():
    """Weights 3 and 1 are 75 and 25 points: on the threshold counts as reached, for more and for less."""
    measures = pd.DataFrame({"logins": [10.0, 9.9, 4.9], "tickets": [2.0, 4.0, 4.1]})
    assert hand_made_health(measures, CARD).tolist() == [100.0, 37.5 + 12.5, 0.0]


def test_a_missing_value_earns_half():
    """Neither praise nor blame: 37.5 of 75, beside a full 25."""
    measures = pd.DataFrame({"logins": pd.array([None], dtype="Float64"), "tickets": [0.0]})
    assert hand_made_health(measures, CARD).tolist() == [62.5]


def test_a_measure_without_a_column_is_named():
    """The nearest column is offered."""
    with pytest.raises(DataError, match=r"CF217.*'tickets'.*nearest valid name: 'ticket'"):
        hand_made_health(pd.DataFrame({"logins": [1.0], "ticket": [1.0]}), CARD)


def test_probability_is_the_churn_rate_that_goes_with_the_health():
    """Of ten at 0 eight churned, of ten at 100 two: a logistic curve through two points meets both rates."""
    health, churned = np.repeat([0.0, 100.0], 10), np.repeat([1, 0, 1, 0], [8, 2, 2, 8])
    assert hand_made_probability(health, churned, [0.0, 50.0, 100.0]) == pytest.approx([0.8, 0.5, 0.2], abs=1e-3)


@pytest.mark.parametrize("health", [[0.0, 0.0, 100.0, 100.0], [50.0] * 4, [83.3] * 4, [0.1] * 4])
def test_a_card_that_ranks_upside_down_or_not_at_all_gets_the_base_rate(health):
    """Churners were the healthier ones, or everybody is alike, whatever their mean rounds to: no credit."""
    many, churned = np.repeat(health, 25), np.repeat([0, 0, 0, 1], 25)
    assert hand_made_probability(many, churned, [10.0, 90.0]).tolist() == pytest.approx([0.25, 0.25])


def test_one_class_is_an_error():
    """A curve needs churners and others."""
    with pytest.raises(DataError, match=r"CF102.*2 rows, of which 0 churned"):
        hand_made_probability([1.0, 2.0], [0, 0], [1.0])
