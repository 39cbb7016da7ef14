"""Whatever the cards and accounts, no explanation leaves anything over: ten thousand accounts, a hundred cards."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.test_card import STATES, cards

from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.pairs import NO_DATA, Cells, Pair, cell_words
from churnfit.scorecard.points import Categorical
from churnfit.scorecard.shap import reasons
from churnfit.scoring.batch import score
from churnfit.scoring.changes import changes

ACCOUNTS = 100  # times 100 examples: ten thousand
TEXT = {"m0": False, "m1": True, "m2": False, "m3": True}
NAMES = tuple(TEXT)


@st.composite
def whole_cards(draw: st.DrawFn) -> Scorecard:
    """Any card of those measures, with segment offsets and a calibration, and often a pair of two measures."""
    card = draw(cards(text=TEXT))
    bend = draw(st.floats(0.1, 3.0))
    card = replace(
        card,
        segment_offsets=(("smb", draw(st.floats(-1, 1))),),
        calibration=Calibration(method="isotonic", said=(-1.0, 0.5, 2.0), observed=(-1.0 - bend, 0.0, bend)),
    )
    if not draw(st.booleans()):
        return card
    first, second = Cells(measure="m0", cuts=(draw(st.integers(-9, 40)) * 0.5,)), Cells(measure="m1", groups=GROUPS)
    cells = [cell_words(a, b) for a, b in product((*first.labels, NO_DATA), second.labels)]
    points = tuple(float(p) for p in draw(st.lists(st.integers(0, 30), min_size=len(cells), max_size=len(cells))))
    pair = Pair(first=first, second=second)
    curve = Categorical(tuple(cells), points)
    line = CardMeasure(name=pair.name, label=pair.name, shape="categories", curve=curve, expected_points=7.3)
    return replace(card, measures=(*card.measures, line), pairs=(pair,))


GROUPS = (("a", "b"), ("c",))


def accounts(rng: np.random.Generator) -> pd.DataFrame:
    """Return a hundred accounts: values, infinite and unseen ones, gaps with and without a state."""
    table = pd.DataFrame({"account_id": [f"A{i:03}" for i in range(ACCOUNTS)]})
    table = table.assign(as_of=pd.Timestamp("2026-03-01", tz="UTC"), stage_day=1, owner=None, arr=1.0)
    table["segment"] = rng.choice(np.array(["smb", "mid", None], dtype=object), ACCOUNTS)
    for name, text in TEXT.items():
        if text:
            table[name] = rng.choice(np.array(["a", "b", "c", "unseen", None], dtype=object), ACCOUNTS)
        else:
            plain = np.round(rng.uniform(-30, 70, ACCOUNTS), rng.integers(0, 3))
            table[name] = np.where(rng.random(ACCOUNTS) < 0.3, rng.choice([np.nan, np.inf, -np.inf]), plain)
        table[f"{name}__state"] = rng.choice(np.array([*STATES, "stale", None], dtype=object), ACCOUNTS)
    return table


@settings(deadline=None, max_examples=100)
@given(card=whole_cards(), seed=st.integers(0, 2**32 - 1))
def test_levels_leave_nothing_over(card: Scorecard, seed: int) -> None:
    """Reasons sum to the distance from the average account, in health and in probability, to 1e-9."""
    table = accounts(np.random.default_rng(seed))
    run = score(card, table, key="k")
    sums = run.reasons.groupby("account_id")[["health_points", "probability_points"]].sum()
    average = card.probability_of(np.full(ACCOUNTS, card.expected_health), table["segment"])
    assert np.abs(sums["health_points"].to_numpy() - (run.scores["health"] - card.expected_health)).max() <= 1e-9
    distance = run.scores["churn_probability"].to_numpy() - average
    assert np.abs(sums["probability_points"].to_numpy() - distance).max() <= 1e-9
    assert len(reasons(card, table)) == ACCOUNTS * len(card.measures)


@settings(deadline=None, max_examples=100)
@given(old=whole_cards(), new=whole_cards(), seed=st.integers(0, 2**32 - 1), kept=st.booleans())
def test_changes_leave_nothing_over(old: Scorecard, new: Scorecard, seed: int, kept: bool) -> None:
    """Two random versions, or the same one twice, and accounts that changed at random: parts sum to the difference.

    Where a version was `kept`, nothing is said to be the version's. The in-between, what the old card says of the new
    data, is the old card's own health.
    """
    rng = np.random.default_rng(seed)
    then, today = accounts(rng), accounts(rng)
    new = old if kept else new
    unread = set(NAMES) - set(new.read)
    if unread and not kept:  # the spec may have dropped what the new card does not read
        today = today.drop(columns=[name for name in unread if rng.random() < 0.3])
    before, after = score(old, then, key="then"), score(new, today, key="now")
    found = changes(before, after, cards=(old, new))
    sums = found.groupby("account_id")[["health_points", "probability_points"]].sum().reindex(then["account_id"])
    moved = after.scores[["health", "churn_probability"]] - before.scores[["health", "churn_probability"]]
    assert np.abs(sums.fillna(0.0).to_numpy() - moved.to_numpy()).max() <= 1e-9
    assert not found.duplicated(["account_id", "measure", "cause"]).any()
    assert not (kept and (found["cause"] == "version").any())
    if set(old.read) <= set(today.columns):
        by_data = found[found["cause"] != "version"].groupby("account_id")["health_points"].sum()
        expected = old.health(today) - before.scores["health"].to_numpy()
        assert by_data.reindex(today["account_id"], fill_value=0.0).tolist() == expected.tolist()
