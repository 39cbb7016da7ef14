"""The small card's accounts under a card of one measure and one pair, small enough to reckon by hand.

Weights 60 (logins) and 40 (tickets × goal). Expected points 30 and 16: the average account has health 46.
"""

from __future__ import annotations

from dataclasses import replace

from tests.small_card import CARD

from churnfit.scorecard.card import CardMeasure
from churnfit.scorecard.pairs import Cells, Pair
from churnfit.scorecard.points import Categorical, Graded

PAIR = Pair(first=Cells(measure="tickets", cuts=(3.0,)), second=Cells(measure="goal", groups=(("cost",), ("growth",))))

PAIRED = replace(
    CARD,
    measures=(
        replace(CARD.measure("logins"), curve=Graded((0.0, 10.0), (0.0, 60.0)), expected_points=30.0),
        CardMeasure(
            name="tickets × goal",
            label="Tickets × Goal",
            group="care",
            shape="categories",
            curve=Categorical(
                ("below 3 · cost", "below 3 · growth", "from 3 · cost", "from 3 · growth"), (40.0, 20.0, 10.0, 0.0)
            ),
            expected_points=16.0,
        ),
    ),
    pairs=(PAIR,),
)

CELLS = ["below 3 · cost", "below 3 · growth", "from 3 · growth", "below 3 · no data"]
HEALTH = [
    60.0 + 40.0,  # ten logins; two tickets, cost
    12.0 + 20.0,  # two logins; no ticket, growth
    5.0 + 0.0,  # asked, no answer; six tickets, growth
    42.0 + 16.0,  # seven logins; one ticket, goal unknown, which is no cell of the card: the expected points
]
BANDS = ["green", "red", "red", "amber"]
