"""The simulated world: reproducible, consistent with its own rules, and predictable as far as its truth says."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnfit.jobs.starting import TEMPLATES
from churnfit.spec import ScorecardSpec, read_spec
from churnfit.synthetic import TRUTH, World, simulate, write_world
from churnfit.synthetic.churn import PERIOD_DAYS

AS_OF = pd.Timestamp("2026-06-30", tz="UTC")


def template(name: str) -> ScorecardSpec:
    with resources.as_file(resources.files("churnfit") / "templates" / f"{name}.toml") as path:
        return read_spec(path)


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(as_of=AS_OF)


@pytest.fixture(scope="module")
def training(world: World, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Snapshot and labels of the world's landmarks, as `churnfit fit` would see them."""
    from churnfit.history.cohort import landmark_grid
    from churnfit.history.labels import labels
    from churnfit.history.snapshot import snapshot
    from churnfit.history.sources import open_sources

    folder = tmp_path_factory.mktemp("world")
    write_world(world, folder / "data")
    spec = template("onboarding")
    with open_sources(spec, folder) as con:
        grid = landmark_grid(con, spec)
        return snapshot(con, spec, grid).merge(
            labels(con, spec, grid, observed_to=AS_OF)[["account_id", "as_of", "status", "churned", "cohort"]],
            on=["account_id", "as_of"],
        )


def auc(churned: np.ndarray, score: np.ndarray) -> float:
    ranks = pd.Series(score).rank().to_numpy()
    ones = churned == 1
    return (ranks[ones].sum() - ones.sum() * (ones.sum() + 1) / 2) / (ones.sum() * (~ones).sum())


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    """Two simulations with the same arguments write the same files, another random_state writes others."""
    digests = []
    for number, random_state in enumerate((7, 7, 8)):
        folder = tmp_path / str(number)
        write_world(simulate(60, as_of=AS_OF, random_state=random_state), folder)
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == [
            "SIMULATED.txt",
            "accounts.parquet",
            "events.parquet",
            "interventions.parquet",
        ]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
    assert digests[0][1] != digests[2][1]


def test_planted_card_is_a_scorecard() -> None:
    """The planted weights sum to 100 in a clear order, and each measure's worst state has 0 points."""
    weights = list(TRUTH.weights.values())
    assert sum(weights) == 100
    assert weights == sorted(weights, reverse=True)
    assert min(np.abs(np.diff(weights))) >= 2
    for measure, (knots, points) in TRUTH.points.items():
        assert list(knots) == sorted(set(knots))
        assert min(*points, TRUTH.missing_points.get(measure, max(points))) == 0


def test_two_sided_measure_peaks_inside() -> None:
    """A two-sided measure has its most points between its ends; all others rise or fall."""
    for measure, (_, points) in TRUTH.points.items():
        steps = np.sign(np.diff(points))
        both_ways = {1.0, -1.0} <= set(steps)
        assert both_ways == (measure in TRUTH.two_sided), measure


def test_truth_speaks_of_measures_of_the_template() -> None:
    """Every planted and every noise measure is a measure of onboarding.toml."""
    measures = set(template("onboarding").measures)
    assert set(TRUTH.points) | set(TRUTH.noise) <= measures
    assert not set(TRUTH.points) & set(TRUTH.noise)


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_map_every_reason_to_a_playbook(name: str) -> None:
    """In the templates every actionable measure has a playbook, its own or its group's."""
    spec = template(name)
    assert 12 <= len(spec.measures) <= 14
    assert [each for each, measure in spec.measures.items() if measure.actionable and not spec.playbook_of(each)] == []


def test_interventions_name_playbooks_of_the_template(world: World) -> None:
    """Past interventions used playbooks that the template declares."""
    assert set(world.interventions["playbook"]) <= set(template("onboarding").playbooks)


def test_nothing_happens_after_churn_or_after_the_end(world: World) -> None:
    """No account has an event once it has left, and nothing is known that was recorded after as_of."""
    events = world.events.merge(world.accounts[["account_id", "started_at", "churned_at"]], on="account_id")
    assert (events["occurred_at"] >= events["started_at"]).all()
    assert not (events["occurred_at"] >= events["churned_at"]).any()
    assert (world.events["recorded_at"] < AS_OF).all()
    assert not (world.accounts["churned_at"] > AS_OF).any()
    assert (world.interventions["at"] < AS_OF).all()


def test_some_events_are_recorded_late(world: World) -> None:
    """About three events in a hundred become known one to two days after they happened, none before."""
    delay = world.events["recorded_at"] - world.events["occurred_at"]
    assert delay.min() == pd.Timedelta(0)
    assert delay.max() < pd.Timedelta(days=2)
    assert (delay > pd.Timedelta(0)).mean() == pytest.approx(0.03, abs=0.005)


def test_world_is_as_large_and_varied_as_a_real_one(world: World) -> None:
    """1,200 accounts in three segments, with eight owners, a dozen kinds of event, and 150,000 to 400,000 events."""
    assert len(world.accounts) == 1200
    assert set(world.accounts["segment"]) == {"smb", "mid_market", "enterprise"}
    assert world.accounts["owner"].nunique() == 8
    assert world.events["kind"].nunique() >= 12
    assert 150_000 <= len(world.events) <= 400_000
    assert (world.accounts["arr"] > 0).all()


def test_calls_go_to_accounts_that_look_at_risk(world: World, training: pd.DataFrame) -> None:
    """About one account in twenty was called, and those were less healthy than the rest beforehand."""
    assert world.interventions["account_id"].nunique() / 1200 == pytest.approx(0.055, abs=0.02)
    first = training[training["stage_day"] == PERIOD_DAYS]
    called = first["account_id"].isin(world.interventions["account_id"])
    health = TRUTH.health(first)
    assert health[called].mean() < health[~called].mean() - 5


def test_states_that_matter_occur(training: pd.DataFrame) -> None:
    """Surveys without an answer and first values that never came are common enough to learn from."""
    assert (training["survey_score__state"] == "no_answer").mean() > 0.1
    assert (training["days_to_first_value__state"] == "never").mean() > 0.1


def test_recent_cohorts_are_still_open(training: pd.DataFrame) -> None:
    """Labels of the last cohorts are immature: nobody knows yet whether those accounts stay."""
    newest = training[training["cohort"] == training["cohort"].max()]
    assert (newest["status"] == "immature").all()
    assert (training["status"] == "matured").sum() > 2000


def test_churn_is_as_frequent_as_promised(training: pd.DataFrame) -> None:
    """Between 16 and 23 % of the matured rows churn within the horizon, most among small customers."""
    matured = training[training["status"] == "matured"]
    assert 0.16 <= matured["churned"].mean() <= 0.23
    by_segment = matured.groupby("segment")["churned"].mean()
    assert by_segment["enterprise"] < by_segment["smb"]


def test_planted_risk_predicts_churn(training: pd.DataFrame) -> None:
    """The planted logit, taken from churnfit's own snapshot, orders churners with an AUC of 0.78 to 0.88."""
    matured = training[training["status"] == "matured"]
    churned = matured["churned"].to_numpy(dtype=float)
    planted = auc(churned, TRUTH.logit(matured, matured["segment"]))
    assert 0.78 <= planted <= 0.88
    for noise in TRUTH.noise:
        alone = auc(churned, matured[noise].fillna(matured[noise].max() + 1).to_numpy())
        assert abs(alone - 0.5) < 0.05, noise
