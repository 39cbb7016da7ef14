"""Why it changed: the difference between two runs, split by line of the card and by cause, with nothing left over.

From the one run to the other in two steps, always in this order. First the data move under the card of then: each
line's difference is *behaviour* where its value changed, *data* where a gap came, went or changed its reason. Then,
where another version scored, the card moves on the data of today: *version*. So health passes through one number in
between that means something by itself: what the old card would have said today. A promotion replays just that, and it
needs no measure that only the newer runs have, which a symmetric split (Shapley over data and card) would.

Health is a sum of points, so each part is a difference of points: exact, and independent of the other lines. The
churn probability is no sum. It depends on health and segment alone, so it is taken along the same path: in each step
a line's share is its share of the health (`churnfit.scorecard.shap.probability_shares`); a move to another segment,
and what the new version's curve says of the same health, have rows of their own.

An override changes the shown band, never the score: its share of both differences is nought. Whoever adds a cause adds
rows, and the sums stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.coverage import KNOWN_STATES, state_texts
from churnfit.scorecard.shap import probability_shares
from churnfit.scoring.batch import ScoredRun
from churnfit.tables import STATE_SUFFIX

__all__ = ["SEGMENT", "Cause", "changes", "read_by"]

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Cause: TypeAlias = Literal["behaviour", "data", "version"]

SEGMENT = "segment"


def changes(before: ScoredRun, after: ScoredRun, *, cards: tuple[Scorecard, Scorecard]) -> pd.DataFrame:
    """Return what moved health and churn probability of every account that both runs scored, worst first.

    Parameters
    ----------
    before, after : ScoredRun
        Two runs of one card, the earlier first.
    cards : tuple of Scorecard
        What each of them was scored with.

    Returns
    -------
    DataFrame
        Key account_id, measure, cause. `measure` is a line of either card, ``"segment"`` for what another segment did
        to the probability, or null for what the new version's curve says of the same health. `health_points` sum to
        the difference in health, `probability_points` to that in churn probability, each to 1e-9. Rows that move
        neither are left out. Ordered by account_id, then by health points and probability, worst first.

    Notes
    -----
    A state that is itself known ("never") counts as a value: a first login is behaviour. Of a pair both members are
    looked at, and the line counts whole. A line that the new snapshot no longer measures leaves by version.
    """
    old, new = cards
    shared = np.intersect1d(before.scores["account_id"], after.scores["account_id"])
    was, now = (run.scores.set_index("account_id").loc[shared] for run in (before, after))
    then = before.snapshot.set_index("account_id").loc[shared]
    today = read_by(old, after.snapshot.set_index("account_id").loc[shared], drawn_by=new)
    lines = list(dict.fromkeys([*old.weights, *new.weights]))
    points_then, points_now = _stored_points(was, lines), _stored_points(now, lines)
    points_between = points_now if old == new else _points_if_kept(old, today, points_then)

    moved, carded = points_between - points_then, points_now - points_between
    gaps_moved = _gaps_moved(old, then, today, lines)
    health_then, health_between = points_then.sum(axis=1), points_between.sum(axis=1)
    by_data = probability_shares(old, moved, start=health_then, segments=was["segment"])
    by_card = probability_shares(old, carded, start=health_between, segments=now["segment"])
    by_segment = old.probability_of(health_between, now["segment"]) - old.probability_of(health_between, was["segment"])
    health_now = points_now.sum(axis=1)
    by_curve = new.probability_of(health_now, now["segment"]) - old.probability_of(health_now, now["segment"])

    nought = np.zeros(len(shared))
    parts = [_Part(SEGMENT, "behaviour", nought, by_segment), _Part(None, "version", nought, by_curve)]
    for j, line in enumerate(lines):
        gone = gaps_moved[:, j]
        parts += [
            _Part(line, "behaviour", np.where(gone, 0.0, moved[:, j]), np.where(gone, 0.0, by_data[:, j])),
            _Part(line, "data", np.where(gone, moved[:, j], 0.0), np.where(gone, by_data[:, j], 0.0)),
            _Part(line, "version", carded[:, j], by_card[:, j]),
        ]
    return _worst_first(shared, parts)


@dataclass(frozen=True)
class _Part:
    """One line's share by one cause in every account (n,)."""

    measure: str | None
    cause: Cause
    health_points: Floats
    probability_points: Floats


def _worst_first(accounts: NDArray[np.object_], parts: list[_Part]) -> pd.DataFrame:
    """Return the parts that move something, a row each."""
    long = pd.concat(
        [
            pd.DataFrame(
                {
                    "account_id": accounts,
                    "measure": pd.Series([part.measure] * len(accounts), dtype=object),
                    "cause": part.cause,
                    "health_points": part.health_points,
                    "probability_points": part.probability_points,
                }
            )
            for part in parts
        ],
        ignore_index=True,
    )
    long = long[(long["health_points"] != 0) | (long["probability_points"] != 0)]
    order = ["account_id", "health_points", "probability_points"]
    return long.sort_values(order, ascending=[True, True, False], kind="stable", ignore_index=True)


def read_by(card: Scorecard, snapshot: pd.DataFrame, *, drawn_by: Scorecard) -> pd.DataFrame:
    """Return a snapshot of a run of the card `drawn_by` as `card` reads it: with its own pairs, where it has any.

    Pairs of the same name may be divided differently by the two. A pair that lacks a member is left out.
    """
    plain = snapshot.drop(columns=[pair.name for pair in drawn_by.pairs if pair.name in snapshot])
    own = {pair.name: pair.of(plain) for pair in card.pairs if set(pair.members) <= set(plain.columns)}
    return plain.assign(**own)


def _stored_points(scores: pd.DataFrame, lines: list[str]) -> Floats:
    """Return the published points (n, lines); 0 where the run's card has no such line."""
    columns = [scores.get(f"points_{line}", pd.Series(0.0, index=scores.index)) for line in lines]
    points: Floats = np.column_stack([np.empty((len(scores), 0)), *columns])
    return points


def _points_if_kept(old: Scorecard, today: pd.DataFrame, points_then: Floats) -> Floats:
    """Return the points (n, lines) that the `old` card gives for `today`, its lines first; as then where unmeasured."""
    points = points_then.copy()
    for j, measure in enumerate(old.measures):
        if measure.name in today:
            points[:, j] = measure.points(today[measure.name], today.get(measure.name + STATE_SUFFIX))
    return points


def _gaps_moved(card: Scorecard, then: pd.DataFrame, today: pd.DataFrame, lines: list[str]) -> Flags:
    """Return where a gap behind a line of `card` came, went or changed its reason (n, lines), its lines first."""
    members = {pair.name: pair.members for pair in card.pairs}
    moved = np.zeros((len(then), len(lines)), dtype=bool)
    for j, measure in enumerate(card.measures):
        for name in members.get(measure.name, (measure.name,)):
            if name in today:
                moved[:, j] |= _gaps(then, name) != _gaps(today, name)
    return moved


def _gaps(snapshot: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return why there is no value (n,); empty text where there is one, or its absence is a fact about the account."""
    state = state_texts(snapshot.get(name + STATE_SUFFIX), len(snapshot))
    gone = snapshot[name].isna().to_numpy() & ~np.isin(state, list(KNOWN_STATES))
    return np.where(gone, state, "")
