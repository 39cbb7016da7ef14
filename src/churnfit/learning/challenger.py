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
from churnfit.spec import Challenger
from churnfit.tables import STATE_SUFFIX

__all__ = ["ChallengerFit", "fit_challenger"]

FloatArray = NDArray[np.float64]
Levels = Mapping[str, tuple[str, ...]]

_ROUNDS = 400  # at a learning rate of 0.03 or more, early stopping ends long before
_PATIENCE = 30
_STARTUP_TRIALS = 5  # random trials before the sampler and the pruner have anything to go by
_MANY_ROWS = 50_000  # below this a second thread costs more than it saves
_SPACE = "1"  # raise when the search space changes: old trials no longer answer the same question


@dataclass(frozen=True, eq=False, kw_only=True)
class ChallengerFit:
    """A tuned LightGBM.

    Parameters
    ----------
    columns : tuple of str
        The columns it reads, in order.
    levels : mapping of str to tuple of str
        The known levels of each text column; any other value counts as missing.
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

    columns: tuple[str, ...]
    levels: Levels
    best_params: Mapping[str, float]
    cv_log_loss: float
    trials: int
    expected_logit: float
    booster: Any

    def predict(self, X: pd.DataFrame) -> FloatArray:
        """Return churn probabilities of shape (n_rows,)."""
        probability: FloatArray = self.booster.predict(_encoded(X, self.columns, self.levels))
        return probability

    def contributions(self, X: pd.DataFrame) -> FloatArray:
        """Return TreeSHAP values in churn logits, of shape (n_rows, n_columns), in the order of `columns`.

        With `expected_logit` a row sums to the logit of its churn probability.
        """
        values: FloatArray = self.booster.predict(_encoded(X, self.columns, self.levels), pred_contrib=True)
        return values[:, :-1]


def fit_challenger(
    X: pd.DataFrame,
    churned: Any,
    groups: Any,
    *,
    spec: Challenger,
    random_state: int,
    journal: Path,
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

    Raises
    ------
    DataError
        CF103 when there are fewer churned or retained accounts than folds.
    """
    labels = np.asarray(churned, dtype=np.float64)
    accounts = np.asarray(groups, dtype=str)
    columns = tuple(str(name) for name in X.columns)
    levels = {name: _levels(X[name]) for name in columns if _is_text(X[name])}
    design = _encoded(X, columns, levels)
    folds = _folds(labels, accounts, spec.folds, random_state)
    task = _Task(
        design=design,
        labels=labels,
        folds=folds,
        categorical=tuple(columns.index(name) for name in levels),
        random_state=random_state,
    )
    study = _study(journal, _study_name(task, columns, levels, accounts))
    _run_missing(study, task, spec.trials)
    best = study.best_trial
    rounds = int(best.user_attrs["rounds"])
    booster = task.train(best.params, np.arange(len(labels)), rounds)
    expected = booster.predict(design[:1], pred_contrib=True)[0, -1]
    return ChallengerFit(
        columns=columns,
        levels=levels,
        best_params={**best.params, "num_boost_round": rounds},
        cv_log_loss=float(study.best_value),
        trials=len(_finished(study)),
        expected_logit=float(expected),
        booster=booster,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Task:
    """What every trial works on."""

    design: FloatArray
    labels: FloatArray
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    categorical: tuple[int, ...]
    random_state: int

    def objective(self, trial: Any) -> float:
        """Return a trial's mean log-loss over the folds; unpromising trials stop after a fold."""
        import optuna

        params = _suggested(trial)
        losses: list[float] = []
        rounds: list[int] = []
        for number, (train, judge) in enumerate(self.folds):
            booster = self.train(params, train, _ROUNDS, judge=judge)
            losses.append(booster.best_score["judged"]["binary_logloss"])
            rounds.append(booster.best_iteration)
            trial.report(float(np.mean(losses)), step=number)
            if number + 1 < len(self.folds) and trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("rounds", max(1, round(float(np.mean(rounds)))))
        return float(np.mean(losses))

    def train(
        self, params: Mapping[str, Any], rows: NDArray[np.intp], rounds: int, *, judge: NDArray[np.intp] | None = None
    ) -> Any:
        """Return a booster fitted on `rows`; with `judge`, stopped early by the log-loss there."""
        import lightgbm

        settings = {
            **params,
            "objective": "binary",
            "metric": "binary_logloss",
            "bagging_freq": 1,
            "min_data_per_group": 20,
            "seed": self.random_state,
            "num_threads": 2 if len(self.labels) > _MANY_ROWS else 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        data = self._data(rows)
        if judge is None:
            return lightgbm.train(settings, data, rounds)
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        judged = self._data(judge, reference=data)
        return lightgbm.train(settings, data, rounds, valid_sets=[judged], valid_names=["judged"], callbacks=[stop])

    def _data(self, rows: NDArray[np.intp], *, reference: Any = None) -> Any:
        import lightgbm

        return lightgbm.Dataset(
            self.design[rows],
            self.labels[rows],
            reference=reference,
            categorical_feature=list(self.categorical),
            params={"verbosity": -1},
        )


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


def _run_missing(study: Any, task: _Task, trials: int) -> None:
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    for dead in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(dead.number, state=TrialState.FAIL)
        study.enqueue_trial(dead.params, skip_if_exists=False)
    while (finished := len(_finished(study))) < trials:
        # A seed per finished trial, not per process: resuming must not draw the first trials once more.
        study.sampler = TPESampler(
            seed=task.random_state + finished, n_startup_trials=_STARTUP_TRIALS, constant_liar=False
        )
        study.optimize(task.objective, n_trials=1)


def _finished(study: Any) -> list[Any]:
    from optuna.trial import TrialState

    found: list[Any] = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return found


def _folds(
    labels: FloatArray, accounts: NDArray[np.str_], folds: int, random_state: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
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


def _study_name(task: _Task, columns: tuple[str, ...], levels: Levels, accounts: NDArray[np.str_]) -> str:
    digest = hashlib.sha256(repr((_SPACE, columns, sorted(levels.items()), len(task.folds))).encode())
    for part in (task.design, task.labels):
        digest.update(np.ascontiguousarray(np.nan_to_num(part, nan=np.finfo(np.float64).max)).tobytes())
    digest.update("\n".join(accounts).encode())
    digest.update(str(task.random_state).encode())
    return f"challenger-{digest.hexdigest()[:16]}"


def _is_text(column: pd.Series) -> bool:
    return str(column.name).endswith(STATE_SUFFIX) or not pd.api.types.is_numeric_dtype(column)


def _levels(column: pd.Series) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in column.dropna().unique()}))


def _encoded(X: pd.DataFrame, columns: tuple[str, ...], levels: Levels) -> FloatArray:
    """Return the design as floats; text becomes the place of its level, NaN where missing or never seen."""
    encoded: FloatArray = np.empty((len(X), len(columns)))
    for place, name in enumerate(columns):
        if name in levels:
            known = {level: float(code) for code, level in enumerate(levels[name])}
            encoded[:, place] = [known.get(str(value), np.nan) for value in X[name]]
        else:
            encoded[:, place] = X[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return encoded
