import json

import numpy as np
import pandas as pd
import pytest

from churnfit.evaluation.interactions import Interactions, missed_interactions
from churnfit.evaluation.report import evaluate
from churnfit.learning.challenger import fit_challenger
from churnfit.spec import Challenger

COLUMNS = ["logins", "tickets", "seats", "noise", "plan", "seats__state"]
LABELS = {"logins": "Logins in 28 days", "tickets": "Tickets <b>opened</b>"}


def history(seed, *, together):
    """300 accounts, two snapshots each: churn falls with logins, turns with tickets, rises on plan c, and where
    `together` is not 0 logins count the other way round for accounts with few tickets."""
    generator = np.random.default_rng(seed)
    account = np.repeat(np.arange(300), 2)
    names = ("logins", "tickets", "seats", "noise")
    rows = pd.DataFrame(
        {n: 0.7 * generator.normal(size=300)[account] + 0.7 * generator.normal(size=600) for n in names}
    )
    rows["plan"] = generator.choice(["a", "b", "c"], 300)[account]
    risk = -1.5 - rows["logins"] + 0.5 * rows["tickets"] ** 2 + (rows["plan"] == "c")
    risk += together * rows["logins"] * rows["tickets"]
    rows["churned"] = (generator.random(300)[account] < 1 / (1 + np.exp(-risk))).astype(int)
    rows.loc[::10, "seats"] = np.nan
    rows["seats__state"] = np.where(rows["seats"].isna(), "stale", None)
    return rows.assign(account_id=[f"A{number:03d}" for number in account])


@pytest.fixture(scope="module")
def look(tmp_path_factory, make_spec):
    """Tune a challenger on one history and look for interactions on another."""
    measures = {
        name: {"group": "use", "aggregate": "column", "label": LABELS.get(name, "")}
        for name in COLUMNS
        if "__" not in name
    }
    spec = make_spec(measures=measures)

    def at(*, together, seed=0, weight=1.0):
        training, judged = (history(s, together=together) for s in (seed, 100 + seed))
        training["weight"] = np.where(training["plan"] == "c", weight, 1.0)
        challenger = fit_challenger(
            training[COLUMNS],
            training["churned"],
            training["account_id"],
            spec=Challenger(trials=6, folds=3),
            random_state=7,
            journal=tmp_path_factory.mktemp("study") / "study.log",
        )
        return missed_interactions(challenger, training, judged, spec=spec)

    return at


@pytest.fixture(scope="module")
def planted(look):
    """What is found where logins and tickets interact."""
    return look(together=1.0)


@pytest.mark.recovery
def test_what_chance_joins_is_learned_by_the_rows_weights(planted, look):
    """The rival without interactions, and the histories drawn from it, count rows as the challenger does."""
    assert look(together=1.0, weight=1.0).chance_logit == planted.chance_logit
    assert look(together=1.0, weight=5.0).chance_logit != planted.chance_logit


@pytest.mark.recovery
def test_a_planted_interaction_is_named_and_no_other(look, planted):
    """Logins × tickets was planted: it alone is named, its whole interval above chance, with the largest share."""
    for seen in (planted, look(together=1.0, seed=1)):
        [named] = seen.named
        assert (named.first, named.second) == ("logins", "tickets")
        assert named.mean_abs_logit.low > seen.chance_logit > 0
        assert named.share > 0.25
        assert named.riskiest in (("low", "low"), ("high", "high"))  # where logins × tickets is above 0
        assert named.riskiest_logit > 0


@pytest.mark.recovery
def test_none_is_named_where_effects_add_up(look):
    """What the challenger joins by chance on additive data is no finding: of six histories at most one names a pair
    (the reference lets one in twenty through)."""
    assert sum(bool(look(together=0.0, seed=seed).named) for seed in range(6)) <= 1


def test_pairs_are_of_measures_and_every_run_says_the_same(look, planted):
    """Five measures are ten pairs: a state column is no measure; and twice the same."""
    assert (planted.pairs, planted.rows, planted.accounts) == (10, 600, 300)
    assert "seats__state" not in planted.labels
    assert planted == look(together=1.0)


def test_the_report_says_them_in_words(planted, judged, make_spec, context):
    """Labels, share and the reference by chance; as a section of their own, escaped in HTML."""
    rows = judged.assign(p_challenger=judged["p_card"])
    report = evaluate(rows, spec=make_spec(), context=context, interactions=planted)
    text = report.to_text()
    assert "What the card cannot say: interactions" in text
    assert "1 of 10 pairs are clearly stronger than chance" in text
    assert "Logins in 28 days and Tickets <b>opened</b> count together otherwise than apart" in text
    assert "Logins in 28 days × Tickets &lt;b&gt;opened&lt;/b&gt;" in report.to_html()
    said = json.loads(json.dumps(report.as_dict(), allow_nan=False))["price"]["interactions"]
    assert said["named"][0]["first"] == "logins"


def test_nothing_found_is_said_too(judged, make_spec, context):
    """A challenger of single splits joins nothing."""
    none = Interactions(
        named=(), strongest=None, pairs=3, chance_logit=0.0, histories=19, rows=10, accounts=5, labels={}
    )
    rows = judged.assign(p_challenger=judged["p_card"])
    assert "It joins no two measures" in evaluate(rows, spec=make_spec(), context=context, interactions=none).to_text()
    assert "interactions" not in evaluate(rows, spec=make_spec(), context=context).to_text()


def test_only_a_thousand_rows_are_explained_in_whole_accounts(make_spec):
    """Of 3,000 rows in accounts of three, 334 accounts are drawn: 1,002 rows, all three of each."""
    from churnfit.evaluation.interactions import _sample

    rows = pd.DataFrame({"account_id": [f"A{place // 3:04d}" for place in range(3000)]})
    drawn = _sample(rows, 7)
    assert len(drawn) == 1002
    assert set(drawn["account_id"].value_counts()) == {3}
    assert _sample(rows.iloc[::-1], 7).equals(drawn)
