"""ScorecardClassifier: the learner under scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from threadpoolctl import threadpool_limits

from churnfit.errors import DataError, count_and_examples
from churnfit.learning.bands import relative_cuts
from churnfit.learning.calibration import best_calibration, matched_intercept
from churnfit.learning.card_curves import card_curves
from churnfit.learning.certificates import certified
from churnfit.learning.codes import measure_names, normalised
from churnfit.learning.folds import Cohort, account_names
from churnfit.learning.penalties import GroupOrder, Settings
from churnfit.learning.refusals import (
    checked_weights,
    refuse_bad_numbers,
    refuse_endless,
    refuse_one_class,
    refuse_too_few,
    refuse_twins,
    refuse_undated,
    refuse_uneven,
    refuse_unknown_health,
    refuse_unknown_settings,
)
from churnfit.learning.rounding import card_lines, segment_offsets
from churnfit.learning.selection import learn_curves
from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.card import BandCuts, CardMeasure, Evidence, Scorecard, sigmoid
from churnfit.tables import STATE_SUFFIX

__all__ = ["ScorecardClassifier"]

Floats: TypeAlias = NDArray[np.float64]


class ScorecardClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A readable health scorecard, learned jointly from labelled rows.

    Parameters
    ----------
    shapes : mapping of str to str, optional
        ``auto`` (default), ``higher_is_better``, ``lower_is_better``, ``healthy_range`` or ``free`` (may turn more than
        once) per measure.
    max_knots : int, default=7
        Most knots of a graded curve, its ends and its turn included whatever this says. More than five are kept only
        where they gain much.
    max_levels : int, default=8
        Most levels of a categorical measure.
    penalties : sequence of float, default=(0.5, 1, 2, 4, 8, 16)
        Prices on movement to choose from, in log-likelihood units per logit.
    folds : int, default=4
        Cross-validation folds that choose the penalty; rows of one group stay together. Where fewer than 300 groups
        churned and none is dated there are at least ten; where cohorts are dated, folds are blocks of them.
    min_accounts, min_churned : int, default=60 and 5
        Below this many groups, or churned groups, ``fit`` refuses; and below a hundred churned ones, where the measures
        tell no more of them than chance. A card of few is drawn to the base rate: if it is wrong, it costs little.
    pairs : int, default=0
        Most combined measures ("tenure × contract"). Each is one more table to read; none is kept that rows it has not
        seen do not speak for.
    measure_groups : mapping of str to str, optional
        The group of each measure.
    heaviest_group : str, optional
        The group that must weigh at least as much as any other; the card's remarks say what that costs.
    segment_column : str, optional
        A text column of X that shifts the intercept and earns no points; learned jointly with the points. Rows without
        one are a segment of their own. `card_` reads it from a column ``segment``.
    horizon_days : int, default=90
        What the label means; written on the card.
    churned_class : object, optional
        The label that means churned; absent, the one that sorts last (1 of 0 and 1; beware of "churned", "stayed").
    certify : int, default=200
        Resamples behind the card's intervals and its merged levels; 0: neither. Where fewer than a thousand groups
        churned the card itself is an average of 50 resamples, whatever this says, unless `heaviest_group` would lose
        its lead. 200 cost about 1 CPU second for 1,000 rows with 6 measures on the card, and 14 for 100,000 with 12.
    random_state : int, default=0
        Deals the folds and draws the resamples.

    Attributes
    ----------
    card_ : Scorecard
        The learned value; everything else follows from it.
    classes_ : ndarray of shape (2,)
        The labels, sorted; `churned_index_` is the place of the one that means churned.
    out_of_fold_probability_ : ndarray of shape (n_rows,)
        Churn probability of each training row from folds that did not see it (where the card is an average and no
        cohort is dated: from resamples), before rounding; which measures are on the card was decided on all rows.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"logins": rng.poisson(5, 400), "tickets": rng.poisson(2, 400)})
    >>> y = (rng.random(400) < 1 / (1 + np.exp(X["logins"] - 3.0))).astype(int)
    >>> card = ScorecardClassifier().fit(X, y).card_
    >>> card.weights["logins"] > 80, card.measures[0].shape
    (True, 'rising')
    """

    def __init__(
        self,
        shapes: Mapping[str, str] | None = None,
        *,
        max_knots: int = 7,
        max_levels: int = 8,
        penalties: Sequence[float] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
        folds: int = 4,
        min_accounts: int = 60,
        min_churned: int = 5,
        pairs: int = 0,
        measure_groups: Mapping[str, str] | None = None,
        heaviest_group: str | None = None,
        segment_column: str | None = None,
        horizon_days: int = 90,
        churned_class: object = None,
        certify: int = 200,
        random_state: int = 0,
    ) -> None:
        self.shapes = shapes
        self.max_knots = max_knots
        self.max_levels = max_levels
        self.penalties = penalties
        self.folds = folds
        self.min_accounts = min_accounts
        self.min_churned = min_churned
        self.pairs = pairs
        self.measure_groups = measure_groups
        self.heaviest_group = heaviest_group
        self.segment_column = segment_column
        self.horizon_days = horizon_days
        self.churned_class = churned_class
        self.certify = certify
        self.random_state = random_state

    def fit(
        self,
        X: pd.DataFrame | ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        stands_for: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        began: ArrayLike | None = None,
        prior_health: ArrayLike | None = None,
    ) -> Self:
        """Learn the card.

        Parameters
        ----------
        X : DataFrame or array of shape (n_rows, n_measures)
            A DataFrame may hold text (categories), gaps, and ``<measure>__state`` columns saying why.
        y : array of shape (n_rows,)
            Two classes; which one means churned says `churned_class`.
        sample_weight : array of shape (n_rows,), optional
            How many rows each row counts for, >= 0: a row of weight 0 is none, whatever stands in it, and rows of
            weight 0.001 are hardly any evidence.
        stands_for : array of shape (n_rows,), optional
            How many rows of the cohort each row stands for, >= 0, where others like it had to be left out because they
            were called. Base rate, reference, calibration and level follow it, points do not: whom one calls follows
            from the measures, so between accounts of equal measures the held-out say nothing else, and few rows that
            count for many only make points uncertain.
        groups : array of shape (n_rows,), optional
            The account of each row, no gaps; absent, each row is its own.
        began : array of shape (n_rows,), optional
            When each row's stage began (of an account the earliest counts): folds are then blocks of cohorts in time.
        prior_health : array of shape (n_rows,), optional
            The health a hand-made card gives each row, higher is better: small cohorts lean on it.

        Raises
        ------
        DataError
            CF102 when there is one class, CF103 when there are too few accounts or churners, or few of which the
            measures tell no more than chance, CF105 when no label is `churned_class`, CF112 for a bad weight, CF201
            when a row has no account, CF202 for infinite values and unknown `prior_health` or `began`, CF212 and CF217
            when `segment_column` is not a text column of X, CF218 when two columns of X have one name.
        SpecError
            CF503 when `shapes` or `measure_groups` name no measure of X, `shapes` no shape or `heaviest_group` no
            group, or for a number that is too small.
        ValueError
            When X and the columns beside it differ in length, or y has more than two classes.
        """
        refuse_bad_numbers(self.get_params(deep=False))
        frame = self._table(X, reset=True, y=y)
        settings = self._settings()
        refuse_unknown_settings(frame, settings, self.segment_column)
        if self.segment_column:  # why an account has no segment makes no difference: the card cannot ask
            frame = frame.drop(columns=self.segment_column + STATE_SUFFIX, errors="ignore")
        churned = self._labels(y, len(frame))
        cohort = Cohort(
            frame=frame,
            churned=churned,
            weight=checked_weights(sample_weight, frame),
            groups=account_names(groups, len(frame)),
            began=None if began is None else np.asarray(began, dtype="datetime64[us]"),
            prior_health=None if prior_health is None else np.asarray(prior_health, dtype=np.float64),
            stands_for=None if stands_for is None else checked_weights(stands_for, frame, where="stands_for"),
        )
        refuse_uneven(cohort)
        used = cohort.weight > 0
        cohort = cohort.take(used)
        refuse_endless(cohort.frame)
        refuse_unknown_health(cohort.prior_health)
        refuse_undated(cohort.began)
        represented = cohort.represented
        refuse_one_class(represented)
        refuse_too_few(cohort, self.min_accounts, self.min_churned)
        # a card's matrices are small: more threads only wait for each other, and elsewhere would add up otherwise
        with threadpool_limits(limits=1, user_api="blas"):
            learned = learn_curves(cohort, settings)
            on_card = card_curves(learned, cohort, settings, certify=self.certify)
            calibration = best_calibration(
                on_card.unseen,
                cohort.churned,
                represented.weight,
                fold=learned.fold,
                account=cohort.account,
                few_churned=cohort.few_churned,
            ).calibration
            lines, logits_per_point = card_lines(on_card.curves, cohort.weight, segment_column=self.segment_column)
        offsets = segment_offsets(on_card.curves, self.segment_column)
        names = {line.name for line in lines}
        card = replace(
            self._bare_card(represented, lines, slope=logits_per_point, offsets=offsets),
            pairs=tuple(pair for pair in learned.pairs if pair.name in names),
            remarks=on_card.remarks,
            calibration=calibration,
        )
        card = _levelled(card, represented, self._segment_column(cohort.frame))
        if on_card.resampled and self.certify:
            drawn = on_card.resampled.first(self.certify)
            card = certified(card, drawn, replace(cohort, frame=card.with_pairs(cohort.frame)))
        self.card_ = replace(card, bands=relative_cuts(card))
        self.out_of_fold_probability_ = np.full(len(used), np.nan)
        self.out_of_fold_probability_[used] = sigmoid(calibration.of(on_card.unseen))
        return self

    def predict_proba(self, X: pd.DataFrame | ArrayLike) -> Floats:
        """Return the probability of each class of each row, in the order of `classes_`, shape (n_rows, 2)."""
        frame = self._predicting(X)
        churned = self.card_.probability_of(self.card_.health(frame), self._segment_column(frame))
        both = [1.0 - churned, churned]
        return np.column_stack(both if self.churned_index_ == 1 else both[::-1])

    def predict(self, X: pd.DataFrame | ArrayLike) -> NDArray[Any]:
        """Return the likelier class of each row (n_rows,)."""
        likelier = (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)
        labels: NDArray[Any] = self.classes_[likelier]
        return labels

    def decision_function(self, X: pd.DataFrame | ArrayLike) -> Floats:
        """Return the logit of the second class of each row (n_rows,); by default that is churn."""
        second = np.clip(self.predict_proba(X)[:, 1], 1e-300, 1 - 1e-16)
        logit: Floats = np.log(second) - np.log1p(-second)
        return logit

    def health(self, X: pd.DataFrame | ArrayLike) -> Floats:
        """Return the health score of each row, 0–100 (n_rows,)."""
        frame = self._predicting(X)
        return self.card_.health(frame)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def _settings(self) -> Settings:
        return Settings(
            shapes=dict(self.shapes or {}),
            max_knots=self.max_knots,
            max_levels=self.max_levels,
            penalties=tuple(self.penalties),
            folds=self.folds,
            random_state=self.random_state,
            pairs=self.pairs,
            order=GroupOrder(group_of=dict(self.measure_groups or {}), heaviest=self.heaviest_group)
            if self.heaviest_group
            else None,
        )

    def _table(self, X: pd.DataFrame | ArrayLike, *, reset: bool, y: ArrayLike | None = None) -> pd.DataFrame:
        """Return X as a DataFrame with named columns, checked as scikit-learn does."""
        if not isinstance(X, pd.DataFrame):
            given: dict[str, Any] = {} if y is None else {"y": y}
            checked = validate_data(self, X, **given, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
            values = checked[0] if y is not None else checked
            return pd.DataFrame(values, columns=[f"x{j}" for j in range(values.shape[1])])
        named = X.reset_index(drop=True).set_axis([str(column) for column in X.columns], axis=1)
        refuse_twins(named)
        validate_data(self, X, skip_check_array=True, reset=reset)
        if not len(X):
            raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
        return normalised(named)

    def _predicting(self, X: pd.DataFrame | ArrayLike) -> pd.DataFrame:
        check_is_fitted(self, "card_")
        frame = self._table(X, reset=False)
        refuse_endless(frame)
        return frame

    def _labels(self, y: ArrayLike, n_rows: int) -> Floats:
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        check_consistent_length(labels, np.empty(n_rows))
        if type_of_target(labels) == "multiclass" or len(np.unique(labels)) > 2:
            raise ValueError("Only binary classification is supported. The type of the target is multiclass.")
        self.classes_ = np.unique(labels)
        meant = [i for i, label in enumerate(self.classes_) if label == self.churned_class]
        if self.churned_class is not None and not meant:
            raise DataError(
                "CF105",
                where="y",
                expected=f"the label {self.churned_class!r} (churned_class)",
                came=count_and_examples(self.classes_),
                fix="Name the label that means churned.",
            )
        self.churned_index_ = meant[0] if meant else len(self.classes_) - 1
        churned: Floats = (labels == self.classes_[self.churned_index_]).astype(np.float64)
        return churned

    def _segment_column(self, frame: pd.DataFrame) -> pd.Series | None:
        return frame[self.segment_column] if self.segment_column else None

    def _bare_card(
        self, cohort: Cohort, lines: tuple[CardMeasure, ...], *, slope: float, offsets: tuple[tuple[str, float], ...]
    ) -> Scorecard:
        used = {line.name for line in lines} | {self.segment_column}
        offered = measure_names([str(column) for column in cohort.frame.columns])
        return Scorecard(
            name="scorecard",
            horizon_days=self.horizon_days,
            measures=lines,
            intercept=0.0,
            slope=slope,
            base_rate=cohort.base_rate,
            bands=BandCuts(red_below=0.0, green_from=0.0),
            segment_offsets=offsets,
            left_out=tuple(sorted(name for name in offered if name not in used)),
            evidence=Evidence(
                rows=len(cohort.churned),
                accounts=len(cohort.lost),
                churned_rows=int(cohort.churned.sum()),
            ),
        )


def _levelled(card: Scorecard, cohort: Cohort, segments: pd.Series | None) -> Scorecard:
    """Return the card with the training cohort as reference and its intercept matched."""
    card = card.with_reference(cohort.frame, cohort.weight)
    raw = replace(card, calibration=Calibration()).churn_logit(card.health(cohort.frame), segments)
    level = matched_intercept(raw, cohort.churned, cohort.weight, calibration=card.calibration)
    return replace(card, intercept=level)
