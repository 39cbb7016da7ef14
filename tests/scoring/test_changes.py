"""Why it changed: behaviour, data and version by hand, and nothing left over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.paired_card import PAIR, PAIRED
from tests.small_card import CARD, snapshot

from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.points import Categorical, Graded, Stepped
from churnfit.scoring.batch import ScoredRun, score
from churnfit.scoring.changes import changes

THEN = snapshot()
"""A: logins 10, tickets 2, goal cost, in smb; B: logins 2, no ticket, goal growth."""


def changed(table: pd.DataFrame, account_id: str, **values: object) -> pd.DataFrame:
    """Return `table` with other values of one account."""
    table = table.astype(object)
    table.loc[table["account_id"] == account_id, list(values)] = list(values.values())
    numbers = [name for name in ("logins", "tickets", "arr", "seats") if name in table]
    return table.astype(dict.fromkeys(numbers, "float64"))


def moved(today: pd.DataFrame, account_id: str, *, old: Scorecard = CARD, new: Scorecard = CARD) -> pd.DataFrame:
    """Return what moved one account from `THEN` to `today`; every account's sums are checked on the way."""
    before, after = score(old, THEN, key="then"), score(new, today, key="now")
    found = changes(before, after, cards=(old, new))
    assert_nothing_left_over(found, before, after)
    return found[found["account_id"] == account_id]


def assert_nothing_left_over(found: pd.DataFrame, before: ScoredRun, after: ScoredRun) -> None:
    """Health points and probability points sum to the differences of the published scores."""
    was, now = (run.scores.set_index("account_id") for run in (before, after))
    sums = found.groupby("account_id")[["health_points", "probability_points"]].sum()
    for part, whole in (("health_points", "health"), ("probability_points", "churn_probability")):
        difference = (now[whole] - was[whole]).dropna()
        assert (sums[part].reindex(difference.index, fill_value=0.0) - difference).abs().max() <= 1e-9


def parts(found: pd.DataFrame) -> list[tuple[object, str, float]]:
    """Return line, cause and health points of each row."""
    return list(zip(found["measure"], found["cause"], found["health_points"], strict=True))


def test_a_value_that_moved_is_behaviour_and_a_gap_that_came_is_data() -> None:
    """A: logins 10 (50) turn stale, never seen (20, as the average); tickets 2 (30) become 6 (10). Worst first."""
    today = changed(THEN, "A", logins=None, logins__state="stale", tickets=6.0)
    found = moved(today, "A")
    assert parts(found) == [("logins", "data", -30.0), ("tickets", "behaviour", -20.0)]
    # the one step from 100 to 50: probability follows health alone, so shares are as 30 to 20
    logits = 2.0 + 0.5 - 0.08 * np.array([100.0, 50.0])
    rise = np.diff(1 / (1 + np.exp(-logits)))[0]
    assert found["probability_points"].tolist() == pytest.approx([0.6 * rise, 0.4 * rise], abs=1e-12)


def test_a_gap_that_went_or_changed_its_reason_is_data() -> None:
    """C was asked without answer (5): seven logins (35), or a feed that broke (20), are news of the data."""
    for values, points in (({"logins": 7.0, "logins__state": None}, 30.0), ({"logins__state": "stale"}, 15.0)):
        assert parts(moved(changed(THEN, "C", **values), "C")) == [("logins", "data", points)]


def test_a_first_time_is_behaviour() -> None:
    """ "Never" is a fact about the account, no gap: from never (2 points) to four logins (20) is what A did."""
    card = replace(CARD, measures=(replace(CARD.measures[0], missing=(("never", 2.0),)), *CARD.measures[1:]))
    then = changed(THEN, "A", logins=None, logins__state="never")
    before, after = (score(card, table, key="k") for table in (then, changed(THEN, "A", logins=4.0)))
    found = changes(before, after, cards=(card, card))
    assert parts(found) == [("logins", "behaviour", 18.0)]


def test_nothing_moved_has_no_rows() -> None:
    """The same snapshot again, under the same card."""
    assert moved(THEN, "A").empty
    assert changes(score(CARD, THEN, key="k"), score(CARD, THEN.iloc[:0], key="k"), cards=(CARD, CARD)).empty


def test_only_accounts_of_both_runs_are_explained() -> None:
    """A left the stage, E came: neither has a difference."""
    before = score(CARD, snapshot("A", "B"), key="k")
    after = score(CARD, changed(snapshot("E", "B"), "B", logins=0.0), key="k")
    assert changes(before, after, cards=(CARD, CARD))["account_id"].unique().tolist() == ["B"]


VERSION_2 = replace(
    CARD,
    measures=(
        replace(CARD.measure("tickets"), curve=Stepped((1.0, 5.0), (0.0, 60.0, 5.0))),
        CardMeasure(
            name="seats", label="Seats", shape="rising", curve=Graded((0.0, 10.0), (0.0, 40.0)), expected_points=20.0
        ),
    ),
    intercept=1.5,
    slope=0.07,
    segment_offsets=(("smb", 0.25), ("mid", -0.5)),
    calibration=Calibration(method="isotonic", said=(-2.0, 0.0, 1.0), observed=(-3.0, 0.0, 3.0)),
)
"""Without logins and goal, with seats; tickets weigh double."""


def test_the_data_move_under_the_old_card_then_the_card_on_the_new_data() -> None:
    """A: tickets 2 → 6 cost 20 under version 1 (30 → 10), then version 2 gives 5 for six: 5 less.

    Logins 10 → 7 cost 15 under version 1 and leave with their 35; the goal leaves with 20; five seats bring 20.
    """
    today = changed(THEN, "A", tickets=6.0, logins=7.0).assign(seats=5.0)
    found = moved(today, "A", new=VERSION_2)
    assert parts(found) == [
        ("logins", "version", -35.0),
        ("goal", "version", -20.0),  # as many points as the tickets took, where they mean more churn
        ("tickets", "behaviour", -20.0),
        ("logins", "behaviour", -15.0),
        ("tickets", "version", -5.0),
        (None, "version", 0.0),
        ("seats", "version", 20.0),
    ]
    # what is left to the curve: version 2 and version 1 on the same health of 25, in smb
    of_curve = found.loc[found["measure"].isna(), "probability_points"].item()
    at = np.array([25.0])
    smb = pd.Series(["smb"])
    assert of_curve == pytest.approx((VERSION_2.probability_of(at, smb) - CARD.probability_of(at, smb)).item())


def test_what_the_new_snapshot_no_longer_measures_leaves_by_version() -> None:
    """A's logins had 50: nobody knows what they would be today."""
    today = THEN.drop(columns=["logins", "logins__state"]).assign(seats=5.0)
    found = moved(today, "A", new=VERSION_2)
    assert ("logins", "version", -50.0) in parts(found)
    assert ("logins", "behaviour") not in [row[:2] for row in parts(found)]


def test_another_segment_moves_the_probability_alone() -> None:
    """A goes from smb (+0.5 logits) to mid (0) at health 100: no points, and a row of its own."""
    found = moved(changed(THEN, "A", segment="mid"), "A")
    assert parts(found) == [("segment", "behaviour", 0.0)]
    logits = np.array([2.5, 2.0]) - 8.0
    assert found["probability_points"].item() == pytest.approx(np.diff(1 / (1 + np.exp(-logits)))[0], abs=1e-12)


def test_a_pair_is_read_as_each_card_divides_it() -> None:
    """Both versions have tickets × goal; version 2 cuts at 8 where version 1 cuts at 3.

    A has 2 tickets, then 6. Version 1: below 3 · cost (40) → from 3 · cost (10). Version 2: below 8 · cost (40).
    """
    wider = replace(PAIR, first=replace(PAIR.first, cuts=(8.0,)))
    line = PAIRED.measure(PAIR.name)
    curve = Categorical(("below 8 · cost", "below 8 · growth", "from 8 · cost", "from 8 · growth"), line.curve.levels)
    new = replace(PAIRED, measures=(PAIRED.measures[0], replace(line, curve=curve)), pairs=(wider,))
    found = moved(changed(THEN, "A", tickets=6.0), "A", old=PAIRED, new=new)
    assert parts(found) == [(PAIR.name, "behaviour", -30.0), (PAIR.name, "version", 30.0)]


def test_a_pair_moves_by_data_where_a_member_lost_its_value() -> None:
    """A's tickets go missing: "no data · cost" is no cell of the card, 16 points instead of 40."""
    today = changed(THEN, "A", tickets=None, tickets__state="stale")
    assert parts(moved(today, "A", old=PAIRED, new=PAIRED)) == [(PAIR.name, "data", -24.0)]
