"""The card's arithmetic, by hand on the small card: weights 50, 30, 20; logit 2 (+0.5 smb) − 0.08 · health."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.invariants import assert_scorecard
from tests.small_card import BANDS, CARD, HEALTH, snapshot

from churnfit.errors import DataError, IntegrityError
from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.card import BandCuts, Scorecard, sigmoid
from churnfit.scorecard.contract import coerce, input_columns
from churnfit.scorecard.points import Categorical, Graded


def without_measures() -> Scorecard:
    return replace(CARD, measures=(), segment_offsets=())


def test_health_is_the_sum_of_the_points():
    """Four accounts, three measures each, added by hand in `small_card`."""
    assert CARD.points(snapshot()).to_numpy().tolist() == [
        [50.0, 30.0, 20.0],
        [10.0, 0.0, 0.0],
        [5.0, 10.0, 0.0],
        [35.0, 30.0, 10.0],
    ]
    assert CARD.health(snapshot()).tolist() == HEALTH
    assert_scorecard(CARD, snapshot())


def test_weights_are_the_most_points_and_sum_to_100():
    """50 + 30 + 20, heaviest first; a missing state that beats every value is the weight."""
    assert CARD.weights == {"logins": 50.0, "tickets": 30.0, "goal": 20.0}
    assert replace(CARD.measure("logins"), missing=(("never", 60.0),)).weight == 60.0


def test_churn_probability_follows_from_health_and_segment():
    """A: 2 + 0.5 − 0.08·100 = −5.5; B, no smb: 2 − 0.08·10 = 1.2; C, no segment: 2 − 0.08·15 = 0.8."""
    logits = [-5.5, 1.2, 0.8, 2 - 0.08 * 75]
    expected = [1 / (1 + math.exp(-logit)) for logit in logits]
    assert CARD.churn_probability(snapshot()) == pytest.approx(expected, rel=1e-12)


def test_a_snapshot_without_segments_gets_no_offset():
    """A's logit is 2 − 8 = −6 then."""
    alone = snapshot().drop(columns="segment")
    assert CARD.churn_probability(alone)[0] == pytest.approx(1 / (1 + math.exp(6.0)), rel=1e-12)


def test_sigmoid_does_not_overflow():
    """Logits of ±1000 are certainties, 0 is even."""
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(("state", "points"), [("no_answer", 5.0), ("stale", 20.0), ("unheard of", 20.0), (None, 20.0)])
def test_a_gap_earns_its_state_and_an_unseen_state_the_average(state, points):
    """`no_answer` was seen in training and earns 5; any other gap stands for the average customer, 20."""
    values = pd.Series([None], dtype="float64", name="logins")
    assert CARD.measure("logins").points(values, pd.Series([state], dtype=object)).tolist() == [points]


def test_a_gap_without_a_state_column_is_called_missing():
    """The state `missing` earns 7 where training had it."""
    measure = replace(CARD.measure("logins"), missing=(("missing", 7.0),))
    assert measure.points(pd.Series([None, 10.0], dtype="float64")).tolist() == [7.0, 50.0]


def test_a_state_beside_a_value_does_not_count():
    """Ten logins are ten logins, whatever a stale note says."""
    assert CARD.measure("logins").points(pd.Series([10.0]), pd.Series(["no_answer"])).tolist() == [50.0]


def test_an_unseen_category_earns_the_expected_points_on_the_grid():
    """10.0003 is 10 240.3 grains: 10 240 of them are kept, so that sums stay exact."""
    measure = replace(CARD.measure("goal"), expected_points=10.0003)
    assert measure.points(pd.Series(["unheard of"])).tolist() == [10.0]


def test_numbers_may_come_in_any_numeric_type():
    """Integers, nullable integers and booleans are numbers; numbers in text are read as such."""
    logins = CARD.measure("logins")
    for column in (pd.Series([2]), pd.Series([2], dtype="Int64"), pd.Series(["2"]), pd.Series([2], dtype="float32")):
        assert logins.points(column).tolist() == [10.0]
    assert logins.points(pd.Series([True])).tolist() == [5.0]


def test_text_where_numbers_are_expected_is_refused():
    """The measure is named."""
    table = snapshot().astype({"logins": object})
    table.loc[0, "logins"] = "many"
    with pytest.raises(DataError, match=r"CF212 measure 'logins': expected numbers.*many"):
        CARD.health(table)


def test_a_missing_column_is_refused_with_the_nearest_name():
    """`ticket` is what the table has instead."""
    with pytest.raises(DataError, match=r"CF217.*a column 'tickets'.*nearest valid name: 'ticket'"):
        CARD.health(snapshot().drop(columns="tickets__state").rename(columns={"tickets": "ticket"}))


def test_coverage_is_the_share_of_applicable_weight_with_data():
    """By hand: C lacks logins, 30 + 20 of 100; D's goal is a gap, 80 of 100."""
    assert CARD.coverage(snapshot()).tolist() == [1.0, 1.0, 0.5, 0.8]


def test_states_that_are_facts_count_and_states_that_cannot_apply_do_not():
    """Logins (50) never: known, 100 of 100. Not due: 50 of 50. All not due: nothing applies, so 0."""
    table = snapshot("A", "B", "C")
    table["logins"] = np.nan
    table["logins__state"] = ["never", "not_due", "not_due"]
    table.loc[2, ["tickets", "goal"]] = None
    table["tickets__state"] = table["goal__state"] = [None, None, "not_applicable"]
    assert CARD.coverage(table).tolist() == [1.0, 1.0, 0.0]


def test_a_cut_belongs_to_the_healthier_band():
    """Red below 40, green from 70."""
    below = [np.nextafter(40.0, 0.0), np.nextafter(70.0, 0.0)]
    health = np.array([0.0, below[0], 40.0, below[1], 70.0, 100.0])
    assert CARD.bands.band(health).tolist() == ["red", "red", "amber", "amber", "green", "green"]
    assert CARD.bands.band(CARD.health(snapshot())).tolist() == BANDS


def test_amber_may_be_empty_but_never_negative():
    """One cut for both is a two-band card; a red cut above the green one is none."""
    assert BandCuts(red_below=50.0, green_from=50.0).band(np.array([49.0, 50.0])).tolist() == ["red", "green"]
    with pytest.raises(ValueError, match="red_below must not exceed green_from"):
        BandCuts(red_below=51.0, green_from=50.0)


def test_the_reference_is_the_mean_of_the_cohort():
    """Logins earn 50, 10, 5, 35: 25 on average; by weights 1, 1, 0, 2 it is (50 + 10 + 2·35) / 4 = 32.5."""
    assert CARD.with_reference(snapshot()).measure("logins").expected_points == 25.0
    weighted = CARD.with_reference(snapshot(), np.array([1.0, 1.0, 0.0, 2.0]))
    assert weighted.measure("logins").expected_points == 32.5


def test_a_card_without_evidence_scores_everybody_alike():
    """No measures: health 0, coverage 0, and the probability is the intercept's, 1 / (1 + e⁻²)."""
    empty = without_measures()
    assert empty.health(snapshot()).tolist() == [0.0] * 4
    assert empty.coverage(snapshot()).tolist() == [0.0] * 4
    assert empty.churn_probability(snapshot()) == pytest.approx([1 / (1 + math.exp(-2.0))] * 4)
    assert Scorecard.from_json(empty.to_json()) == empty


def test_json_comes_back_as_the_same_card_and_the_same_bytes():
    """Nothing is lost on paper, and a card read and written again is byte-identical."""
    text = CARD.to_json()
    again = Scorecard.from_json(text)
    assert again == CARD
    assert again.to_json().encode() == text.encode()
    assert again.sha256 == CARD.sha256
    assert [type(m.curve).__name__ for m in again.measures] == ["Graded", "Stepped", "Categorical"]


def test_any_change_changes_the_hash():
    """Names, numbers, curves, states, bands, offsets, calibration and evidence are all hashed."""
    logins = CARD.measures[0]
    changes = [
        {"name": "other"},
        {"horizon_days": 91},
        {"intercept": math.nextafter(2.0, 3.0)},
        {"slope": 0.081},
        {"base_rate": 0.21},
        {"bands": replace(CARD.bands, red_below=41.0)},
        {"segment_offsets": (("smb", 0.6),)},
        {"left_out": ("noise",)},
        {"calibration": Calibration(method="isotonic", said=(-1.0, 1.0), observed=(-1.0, 1.0))},
        {"evidence": replace(CARD.evidence, snapshot_sha256="ab")},
        {"measures": CARD.measures[::-1]},
        {"measures": (replace(logins, missing=(("no_answer", 6.0),)), *CARD.measures[1:])},
        {"measures": (replace(logins, curve=Graded((0.0, 11.0), (0.0, 50.0))), *CARD.measures[1:])},
        {"measures": (replace(logins, actionable=False), *CARD.measures[1:])},
        {"measures": (replace(logins, says="only {value}"), *CARD.measures[1:])},
    ]
    hashes = {replace(CARD, **change).sha256 for change in changes}
    assert len(hashes | {CARD.sha256}) == len(changes) + 1


def test_a_card_of_a_newer_churnfit_is_refused():
    """Its schema_version is beyond what this churnfit can read."""
    document = json.loads(CARD.to_json()) | {"schema_version": 4}
    with pytest.raises(IntegrityError, match=r"CF604.*schema_version <= 3; came 4.*Upgrade churnfit"):
        Scorecard.from_json(json.dumps(document))


GARBAGE = {
    "nothing": "",
    "no JSON": "{",
    "null": "null",
    "a list": "[]",
    "an empty object": "{}",
    "a list nested without end": "[" * 100_000,
    "text for a measure": '{"schema_version": 1, "measures": ["x"]}',
    "text for a curve": '{"schema_version": 1, "measures": [{"curve": "x"}]}',
    "text for a version": '{"schema_version": "one"}',
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_card_is_refused(text):
    """Whatever was put in the card's place, the answer is the same coded error."""
    with pytest.raises(IntegrityError, match="CF601 scorecard JSON: expected a scorecard"):
        Scorecard.from_json(text)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda card: card["measures"][0]["curve"].update(form="spline"),
        lambda card: card["measures"][0]["curve"].update(knots=[10.0, 0.0]),
        lambda card: card["measures"][0].update(missing=[["no_answer"]]),
        lambda card: card["bands"].update(red_below=99.0),
        lambda card: card.update(surprise=1),
        lambda card: card.pop("slope"),
    ],
)
def test_a_card_that_was_bent_is_refused(tamper):
    """An unknown form, falling knots, half a state, crossed bands, a key too many, a key too few."""
    document = json.loads(CARD.to_json())
    tamper(document)
    with pytest.raises(IntegrityError, match="CF601"):
        Scorecard.from_json(json.dumps(document))


def test_the_contract_names_every_column_the_card_reads():
    """Numbers are doubles, categories strings; states and segment may be absent."""
    columns = input_columns(CARD)
    assert columns["logins"] == ("double", True)
    assert columns["goal"] == ("string", True)
    assert columns["tickets__state"] == columns["segment"] == ("string", False)


def test_coercing_changes_types_and_never_the_score():
    """Integers become doubles, gaps stay gaps, other columns leave."""
    table = snapshot().astype({"tickets": "Int64"})
    coerced = coerce(CARD, table.drop(columns="segment"))
    assert coerced["tickets"].dtype == np.float64
    assert "segment" not in coerced
    assert "owner" not in coerced
    assert coerced.loc[3, "goal"] is None
    assert CARD.health(coerced).tolist() == HEALTH


def test_a_categorical_measure_reads_any_column_as_text():
    """A plan number 2 is the category "2"."""
    measure = replace(CARD.measure("goal"), curve=Categorical(("1", "2"), (0.0, 20.0)))
    assert measure.points(pd.Series([2, 1])).tolist() == [20.0, 0.0]
    assert measure.points(pd.Series([2, None], dtype="Int64")).tolist() == [20.0, 10.0]


def test_a_card_says_which_of_its_measures_are_taken_otherwise():
    """Logins over another window: redefined. What either side does not know, or the card does not read, is not."""
    card = replace(CARD, definitions=(("goal", "g"), ("logins", "28 days")))
    assert card.redefined({"goal": "g", "logins": "28 days", "tickets": "t"}) == []
    assert card.redefined({"logins": "14 days", "tickets": "t", "seats": "s"}) == ["logins"]
    assert CARD.redefined({"logins": "14 days"}) == []
    assert card.unread(["goal", "logins", "seats"], {"logins": "14 days"}) == ["logins", "tickets"]
    assert Scorecard.from_json(card.to_json()) == card


def test_a_card_without_definitions_keeps_its_hash():
    """They are written where there are any: cards from before there were do not change."""
    assert "definitions" not in CARD.to_json()
