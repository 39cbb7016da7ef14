"""The challenger: LightGBM tuned by Optuna, the ceiling that a readable card is measured against.

The study is kept in a journal file. It is resumed, not repeated: only missing trials run, and because every trial's
seed depends only on how many were finished before, a study that was killed and resumed ends where an
uninterrupted one ends. Other training data are another study in the same journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.errors import DataError
from churnfit.learning.boosting import Encoding, Task, encoding_of
from churnfit.spec import Challenger

__all__ = ["ChallengerFit", "fit_challenger"]

FloatArray = NDArray[np.float64]
Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]

_STARTUP_TRIALS = 5  # random trials before the sampler and the pruner have anything to go by
_SPACE = "1"  # raise when the search space changes: old trials no longer answer the same question


@dataclass(frozen=True, eq=False, kw_only=True)
class ChallengerFit:
    """A tuned LightGBM.

    Parameters
    ----------
    encoding : Encoding
        The columns it reads, in order, and the known levels of each text column.
    best_params : mapping
        LightGBM parameters of the best trial, with `num_boost_round`.
    cv_log_loss : float
        Log-loss of the best trial in cross-validation grouped by account, in nats.
    trials : int
        Finished trials of the study, pruned ones included.
    expected_logit : float
        The churn logit that `contributions` start from.
    booster : lightgbm.Booster
        Fitted on all training rows.
    """

    encoding: Encoding
    best_params: Mapping[str, float]
    cv_log_loss: float
    trials: int
    expected_logit: float
    booster: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in order."""
        return self.encoding.columns

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Return churn probabilities of shape (n_rows,)."""
        probability: FloatArray = self.booster.predict(self.encoding.encoded(X))
        return probability

    def contributions(self, X: pd.DataFrame) -> FloatArray:
        """Return TreeSHAP values in churn logits, of shape (n_rows, n_columns), in the order of `columns`.

        They are LightGBM's own ``pred_contrib``, exact with gaps and categories too. With `expected_logit` a row sums
        to the logit of its churn probability.
        """
        values: FloatArray = self.booster.predict(self.encoding.encoded(X), pred_contrib=True)
        return values[:, :-1]


def fit_challenger(
    X: pd.DataFrame,
    churned: Any,
    groups: Any,
    *,
    spec: Challenger,
    random_state: int,
    journal: Path,
    weight: Any = None,
) -> ChallengerFit:
    """Return the tuned challenger, running only the trials the journal lacks.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        Measures (numbers, or text for categories) and optionally their ``<measure>__state`` columns.
    churned : array-like of shape (n_rows,)
        The label, 0 or 1.
    groups : array-like of shape (n_rows,)
        account_id: rows of one account share a fold.
    spec : Challenger
        Trials (more: a higher ceiling, more minutes) and folds.
    random_state : int
        Seeds folds, sampler and trees.
    journal : Path
        The study's file; made when absent. One process at a time: trials found running are taken for dead.
    weight : array-like of shape (n_rows,), optional
        What each row counts: once, when absent.

    Raises
    ------
    DataError
        CF103 when there are fewer churned or retained accounts than folds.
    """
    labels = np.asarray(churned, dtype=np.float64)
    accounts = np.asarray(groups, dtype=str)
    encoding = encoding_of(X)
    task = Task(
        design=encoding.encoded(X),
        labels=labels,
        categorical=encoding.categorical,
        random_state=random_state,
        weight=None if weight is None else np.asarray(weight, dtype=np.float64),
    )
    trials = _Trials(task=task, folds=_folds(labels, accounts, spec.folds, random_state))
    study = _study(journal, _study_name(trials, encoding, accounts))
    _run_missing(study, trials, spec.trials)
    best = study.best_trial
    rounds = int(best.user_attrs["rounds"])
    booster = task.train(best.params, rounds)
    expected = booster.predict(task.design[:1], pred_contrib=True)[0, -1]
    return ChallengerFit(
        encoding=encoding,
        best_params={**best.params, "num_boost_round": rounds},
        cv_log_loss=float(study.best_value),
        trials=len(_finished(study)),
        expected_logit=float(expected),
        booster=booster,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Trials:
    """What every trial works on."""

    task: Task
    folds: Folds

    def objective(self, trial: Any) -> float:
        """Return a trial's mean log-loss over the folds; unpromising trials stop after a fold."""
        import optuna

        params = _suggested(trial)
        losses: list[float] = []
        rounds: list[int] = []
        for number, (train, judge) in enumerate(self.folds):
            booster = self.task.train(params, rows=train, judge=judge)
            losses.append(booster.best_score["judged"]["binary_logloss"])
            rounds.append(booster.best_iteration)
            trial.report(float(np.mean(losses)), step=number)
            if number + 1 < len(self.folds) and trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("rounds", max(1, round(float(np.mean(rounds)))))
        return float(np.mean(losses))


def _suggested(trial: Any) -> dict[str, float]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 10, 100, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 30.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
    }


def _study(journal: Path, name: str) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal.parent.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name=name,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        load_if_exists=True,
    )


def _run_missing(study: Any, work: _Trials, trials: int) -> None:
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    for dead in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(dead.number, state=TrialState.FAIL)  # its successor draws the same: see the seed below
    while (finished := len(_finished(study))) < trials:
        # A seed per finished trial, not per process: resuming must not draw the first trials once more.
        study.sampler = TPESampler(
            seed=work.task.random_state + finished, n_startup_trials=_STARTUP_TRIALS, constant_liar=False
        )
        study.optimize(work.objective, n_trials=1)


def _finished(study: Any) -> list[Any]:
    from optuna.trial import TrialState

    found: list[Any] = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return found


def _folds(labels: FloatArray, accounts: NDArray[np.str_], folds: int, random_state: int) -> Folds:
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(set(accounts[labels == label])) for label in (0, 1))
    if fewest < folds:
        raise DataError(
            "CF103",
            where="challenger",
            expected=f"{folds} churned and {folds} retained accounts, one a fold",
            came=f"{fewest}",
            fix="Lower challenger.folds, or set challenger.trials = 0.",
        )
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=random_state)
    return list(splitter.split(labels, labels, accounts))


def _study_name(work: _Trials, encoding: Encoding, accounts: NDArray[np.str_]) -> str:
    task = work.task
    levels = sorted(encoding.levels.items())
    digest = hashlib.sha256(repr((_SPACE, encoding.columns, levels, len(work.folds))).encode())
    for part in (task.design, task.labels, *([] if task.weight is None else [task.weight])):
        digest.update(np.ascontiguousarray(np.nan_to_num(part, nan=np.finfo(np.float64).max)).tobytes())
    digest.update("\n".join(accounts).encode())
    digest.update(str(task.random_state).encode())
    return f"challenger-{digest.hexdigest()[:16]}"
