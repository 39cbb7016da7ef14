"""A card from a spec: names, units, economics and evidence."""

import numpy as np
import pandas as pd
import pytest
from tests.invariants import assert_scorecard
from tests.small_card import spec_of

from churnfit.errors import DataError
from churnfit.learning.bands import learned_cuts
from churnfit.learning.fitting import learn_card, measure_columns, stakes_of
from churnfit.scorecard.card import sigmoid

SPEC = spec_of()


def training(n=400, *, segments=("smb", "mid")):
    rng = np.random.default_rng(6)
    logins, tickets = rng.poisson(5, n).astype(float), rng.poisson(2, n).astype(float)
    as_of = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(np.arange(n) % 60, unit="D")
    return pd.DataFrame(
        {
            "account_id": [f"A{i:03}" for i in range(n)],
            "as_of": as_of,
            "started_at": as_of - pd.Timedelta(days=30),
            "segment": np.array(segments, dtype=object)[np.arange(n) % len(segments)],
            "arr": np.where(np.arange(n) % 2 == 0, 1000.0, np.nan),
            "logins": logins,
            "tickets": tickets,
            "goal": rng.choice(["cost", "growth"], n),
            "logins__state": None,
            "churned": rng.random(n) < sigmoid(1.5 - 0.7 * logins + 0.3 * tickets),
        }
    )


def test_the_card_carries_the_spec_s_names_and_the_evidence():
    """Label, group, what can be acted on and own words come from the spec; days and hash from the rows."""
    rows = training()
    logins = SPEC.measures["logins"].model_copy(update={"says": "only {value}"})
    spec = SPEC.model_copy(update={"measures": {**SPEC.measures, "logins": logins}})
    card = learn_card(rows, spec, snapshot_sha256="ab12")
    assert card.measure("logins").says == "only {value}"
    assert_scorecard(card, rows)
    assert card.name == "small"
    assert card.horizon_days == 90
    assert card.measure("logins").group == "Use"
    assert card.measure("logins").label == SPEC.label_of("logins")
    assert (card.evidence.first_as_of, card.evidence.last_as_of) == ("2026-03-01", "2026-04-29")
    assert card.evidence.snapshot_sha256 == "ab12"
    assert card.evidence.churned_rows == rows["churned"].sum()


def test_bands_follow_the_spec_s_economics():
    """Cut for the accounts' own values, with intervals; the card says why in words."""
    rows = training()
    card = learn_card(rows, SPEC)
    stakes = stakes_of(card, rows, card.churn_probability(rows), SPEC.bands)
    without = learned_cuts(stakes, SPEC.bands)
    assert (card.bands.red_below, card.bands.green_from) == (without.red_below, without.green_from)
    low, high = card.bands.red_interval
    assert 0 <= low <= card.bands.red_below <= high <= 100
    said = " ".join(card.remarks)
    assert f"red below {card.bands.red_below:g} ({low:g} to {high:g})" in said
    assert "call pays where churn probability × yearly value is above 400" in said  # 100 / (0.5 · 0.5)


def test_without_resamples_cuts_have_no_intervals():
    """`certify` 0: the same cuts, nothing about how sure they are, and the same JSON keys as ever."""
    card = learn_card(training(), SPEC, certify=0)
    assert card.bands.red_interval is card.bands.green_interval is None
    assert '"red_interval"' not in card.to_json()


def test_one_segment_is_no_segment():
    """Nothing to tell apart: no offsets."""
    assert learn_card(training(segments=("smb",)), SPEC).segment_offsets == ()


def test_an_account_without_a_value_counts_as_the_spec_s_default():
    """Every second account is worth 1,000, the others the default, 2,000."""
    rows = training()
    card = learn_card(rows, SPEC, certify=0)
    stakes = stakes_of(card, rows, card.churn_probability(rows), SPEC.bands)
    assert stakes.value[:4].tolist() == [1000.0, 2000.0, 1000.0, 2000.0]
    assert stakes.weight.tolist() == [1.0] * len(rows)


def test_states_that_never_occur_are_no_columns():
    """`logins__state` is empty here; filled, it counts."""
    rows = training(20)
    assert measure_columns(rows, SPEC) == ["logins", "tickets", "goal"]
    assert "logins__state" in measure_columns(rows.assign(logins__state="never"), SPEC)


def test_too_few_churners_are_refused():
    """Forty accounts are below the floor of sixty."""
    with pytest.raises(DataError, match="CF103 the training cohort"):
        learn_card(training(40), SPEC)
