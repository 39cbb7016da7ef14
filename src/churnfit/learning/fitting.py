"""A card from a spec: the estimator run on a labelled snapshot, lines named, bands cut by the spec's economics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from churnfit.learning.bands import economic_cuts
from churnfit.learning.baseline import hand_made_health
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.pairs import PAIR_SIGN
from churnfit.spec import ScorecardSpec
from churnfit.tables import STATE_SUFFIX

__all__ = ["learn_card", "measure_columns", "typical_value"]


def measure_columns(snapshot: pd.DataFrame, spec: ScorecardSpec) -> list[str]:
    """Return the columns of `snapshot` that hold the spec's measures and their states."""
    states = [name + STATE_SUFFIX for name in spec.measures]
    return [*spec.measures, *(name for name in states if name in snapshot and snapshot[name].notna().any())]


def typical_value(snapshot: pd.DataFrame, spec: ScorecardSpec) -> float:
    """Return the median yearly value of the accounts, the spec's default where none is known."""
    known = snapshot["arr"].dropna()
    return float(known.median()) if len(known) else spec.bands.default_value


def learn_card(
    training: pd.DataFrame,
    spec: ScorecardSpec,
    *,
    snapshot_sha256: str = "",
    pairs: int | None = None,
    certify: int | None = None,
) -> Scorecard:
    """Return the scorecard learned from labelled snapshot rows.

    Parameters
    ----------
    training : DataFrame
        A snapshot with a 0/1 column ``churned`` and, where rows are dated, ``started_at``; where held-out rows stand
        for treated ones, ``weight``.
    pairs, certify : int, optional
        Most named pairs, and resamples, in place of the spec's numbers.

    Raises
    ------
    DataError
        As `ScorecardClassifier.fit`: one class, or too few accounts or churners.
    """
    columns = measure_columns(training, spec)
    segmented = training["segment"].nunique() > 1
    learner = ScorecardClassifier(
        shapes={name: measure.shape for name, measure in spec.measures.items()},
        max_knots=spec.learning.max_knots,
        max_levels=spec.learning.max_levels,
        penalties=tuple(spec.learning.penalties),
        folds=spec.learning.folds,
        pairs=spec.learning.pairs if pairs is None else pairs,
        measure_groups={name: measure.group for name, measure in spec.measures.items()},
        heaviest_group=spec.learning.heaviest_group,
        segment_column="segment" if segmented else None,
        horizon_days=spec.cohort.horizon_days,
        certify=spec.learning.certify if certify is None else certify,
        random_state=spec.learning.random_state,
    )
    dated = spec.evaluation.method == "out_of_time"
    learner.fit(
        training[[*columns, *(["segment"] if segmented else [])]],
        training["churned"].astype(int),
        stands_for=training.get("weight"),
        groups=training["account_id"],
        began=training["started_at"].dt.tz_convert(None) if dated else None,
        prior_health=hand_made_health(training, spec.baseline) if spec.baseline else None,
    )
    card = _named(learner.card_, spec)
    evidence = replace(
        card.evidence,
        first_as_of=_day(training["as_of"].min()),
        last_as_of=_day(training["as_of"].max()),
        snapshot_sha256=snapshot_sha256,
    )
    return replace(card, evidence=evidence, bands=economic_cuts(card, spec.bands, typical_value(training, spec)))


def _named(card: Scorecard, spec: ScorecardSpec) -> Scorecard:
    members = {pair.name: pair.members for pair in card.pairs}
    lines = []
    for line in card.measures:
        names = [name for name in members.get(line.name, (line.name,)) if name in spec.measures]
        groups = dict.fromkeys(spec.groups[spec.measures[name].group].label for name in names)
        lines.append(
            replace(
                line,
                label=PAIR_SIGN.join(map(_label(spec), members.get(line.name, (line.name,)))),
                group=next(iter(groups)),
                unit="" if line.name in members else spec.measures[line.name].unit,
                actionable=any(spec.measures[name].actionable for name in names),
            )
        )
    return replace(card, name=spec.name, measures=tuple(lines))


def _label(spec: ScorecardSpec) -> Callable[[str], str]:
    return lambda name: spec.label_of(name) if name in spec.measures else name


def _day(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%d")
