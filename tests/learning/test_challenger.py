import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from tests.learning.test_tree_interactions import by_enumeration

from churnfit.errors import DataError
from churnfit.learning.boosting import encoding_of
from churnfit.learning.challenger import fit_challenger
from churnfit.spec import Challenger


@pytest.fixture(scope="module")
def world():
    """600 snapshots of 200 accounts: churn rises with tickets, and with plan c."""
    generator = np.random.default_rng(5)
    X = pd.DataFrame({"tickets": generator.normal(size=600), "noise": generator.normal(size=600)})
    X["plan"] = generator.choice(["a", "b", "c"], 600)
    X.loc[::10, "tickets"] = np.nan
    X["tickets__state"] = np.where(X["tickets"].isna(), "stale", None)
    risk = 1.5 * X["tickets"].fillna(0) + 1.5 * (X["plan"] == "c") - 1.5
    churned = (generator.random(600) < 1 / (1 + np.exp(-risk))).astype(int).to_numpy()
    return X, churned, np.array([f"A{row // 3}" for row in range(600)])


def fitted(world, journal, trials, **change):
    X, churned, groups = world
    return fit_challenger(
        change.get("X", X), churned, groups, spec=Challenger(trials=trials, folds=3), random_state=7, journal=journal
    )


def studies(journal):
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """Six trials in one go."""
    return fitted(world, tmp_path_factory.mktemp("whole") / "study.log", 6)


def test_it_predicts_and_explains_itself(world, whole):
    """Better than the base rate in cross-validation; TreeSHAP adds up to the logit of the probability."""
    X, churned, _ = world
    probability = whole.predict(X)
    rate = churned.mean()
    assert whole.cv_log_loss < 0.9 * -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert 0 < probability.min() < probability.max() < 1
    summed = whole.contributions(X).sum(axis=1) + whole.expected_logit
    assert summed == pytest.approx(np.log(probability / (1 - probability)), abs=1e-9)
    assert whole.contributions(X).shape == (600, 4)


def test_its_reasons_are_exact_with_gaps(world, whole):
    """LightGBM's own to 1e-9, and those of the definition, over rows with gaps, a state and a level never seen."""
    X = world[0].head(12).assign(plan=["platinum", None, *world[0]["plan"].iloc[2:12]])
    X.loc[3, ["noise", "tickets"]] = np.nan
    found, design = whole.contributions(X), whole.encoding.encoded(X)
    assert np.isnan(design).any(axis=0).all()
    assert found == pytest.approx(whole.booster.predict(design, pred_contrib=True)[:, :-1], abs=1e-9)
    for place, row in enumerate(design[:4]):
        defined, _ = by_enumeration(whole.booster, row, range(design.shape[1]))
        assert found[place] == pytest.approx([defined.get(column, 0.0) for column in range(4)], abs=1e-9)


@pytest.mark.parametrize("gap", [None, np.nan])
def test_a_level_called_like_a_gap_is_none(gap):
    """Plan "None" or "nan" and no plan at all are two things."""
    X = pd.DataFrame({"plan": pd.Series([str(gap), "basic", gap], dtype=object)})
    encoded = encoding_of(X).encoded(X).ravel()
    assert np.isnan(encoded).tolist() == [False, False, True]


def test_an_unseen_level_counts_as_missing(world, whole):
    """A plan that training never saw is treated like no plan; the order of columns does not matter."""
    X = world[0].head(5)
    unseen, missing = whole.predict(X.assign(plan="platinum")), whole.predict(X.assign(plan=None))
    assert unseen.tolist() == missing.tolist()
    assert whole.predict(X[list(X.columns[::-1])]).tolist() == whole.predict(X).tolist()


def test_resuming_runs_only_the_missing_trials_and_ends_in_the_same_place(world, whole, tmp_path):
    """Two trials, a trial killed while running, then six: four more run, and the result is the uninterrupted one."""
    journal = tmp_path / "study.log"
    assert fitted(world, journal, 2).trials == 2
    (study,) = studies(journal)
    study.sampler = optuna.samplers.TPESampler(seed=7 + 2, n_startup_trials=5, constant_liar=False)
    zombie = study.ask()
    drawn = zombie.suggest_float("learning_rate", 0.03, 0.2, log=True)
    resumed = fitted(world, journal, 6)
    (study,) = studies(journal)
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.FAIL) == 1
    assert sum(state in (TrialState.COMPLETE, TrialState.PRUNED) for state in states) == 6
    assert TrialState.RUNNING not in states
    assert study.trials[3].params["learning_rate"] == drawn
    again = fitted(world, journal, 6)
    assert len(studies(journal)[0].trials) == 7
    assert resumed.best_params == again.best_params == whole.best_params
    assert again.predict(world[0]).tolist() == resumed.predict(world[0]).tolist() == whole.predict(world[0]).tolist()


def test_an_unpromising_trial_stops_after_a_fold(world, tmp_path):
    """Of fifteen trials some are pruned: they reported fewer folds than there are, and count as finished."""
    assert fitted(world, tmp_path / "study.log", 15).trials == 15
    (study,) = studies(tmp_path / "study.log")
    reported = {state: [len(t.intermediate_values) for t in study.trials if t.state == state] for state in TrialState}
    assert reported[TrialState.PRUNED]
    assert max(reported[TrialState.PRUNED]) < 3
    assert set(reported[TrialState.COMPLETE]) == {3}


def test_the_seed_decides_the_study(world, whole, tmp_path):
    """Another random_state is another study with other trials; the same one in another journal is the same model."""
    X, churned, groups = world
    again = fitted(world, tmp_path / "again.log", 6)
    assert again.predict(X).tolist() == whole.predict(X).tolist()
    other = fit_challenger(X, churned, groups, spec=Challenger(trials=6, folds=3), random_state=8,
                           journal=tmp_path / "study.log")  # fmt: skip
    assert other.best_params != whole.best_params


def test_a_study_resumed_between_trials_equals_an_uninterrupted_one(world, whole, tmp_path):
    """Two trials today and four tomorrow are six in one go."""
    fitted(world, tmp_path / "study.log", 2)
    resumed = fitted(world, tmp_path / "study.log", 6)
    assert resumed.best_params == whole.best_params
    assert resumed.predict(world[0]).tolist() == whole.predict(world[0]).tolist()


def test_other_training_data_are_another_study(world, tmp_path):
    """One changed value starts anew in the same journal; the old study stays."""
    journal = tmp_path / "study.log"
    fitted(world, journal, 1)
    changed = world[0].copy()
    changed.loc[1, "noise"] += 1e-9
    fitted(world, journal, 1, X=changed)
    assert [len(study.trials) for study in studies(journal)] == [1, 1]


def test_too_few_churners_for_the_folds_is_an_error(world, tmp_path):
    """Three folds need three churned accounts."""
    X, _, groups = world
    with pytest.raises(DataError, match=r"CF103.*3 churned and 3 retained accounts.*came 1\."):
        fit_challenger(X, np.arange(600) == 0, groups, spec=Challenger(trials=1, folds=3), random_state=7,
                       journal=tmp_path / "study.log")  # fmt: skip
