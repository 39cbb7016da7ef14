"""Reasons: exact SHAP values of the card, in health points, and the SHAP summary plot of the challenger.

For an additive card the SHAP value of measure j is ``points_j(x) − E[points_j]`` over the reference cohort, whatever
the correlations between measures. The values of a row sum to ``health − expected health``.

References
----------
Lundberg and Lee (2017), "A unified approach to interpreting model predictions", corollary 1 (linear SHAP).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.scorecard.card import Scorecard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["probability_shares", "reasons", "shap_values", "summary_figure"]


def shap_values(card: Scorecard, points: pd.DataFrame) -> pd.DataFrame:
    """Return the SHAP values in health points, same shape as `points` (n_rows, n_measures)."""
    expected = np.array([measure.expected_points for measure in card.measures])
    return points - expected


def reasons(card: Scorecard, snapshot: pd.DataFrame, *, points: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return every reason of every row, worst first.

    Parameters
    ----------
    snapshot : DataFrame
        ``account_id``, ``as_of``, the measures and their states.
    points : DataFrame of shape (n_rows, n_measures), optional
        What the rows earn, where it is known already.

    Returns
    -------
    DataFrame
        Key account_id, as_of, measure; columns rank (1: takes most health), health_points (SHAP, negative is bad),
        probability_points (its share of the change in churn probability; sums to the difference from the
        reference's). Rows ordered by account_id, as_of, rank.
    """
    values = shap_values(card, card.points(snapshot) if points is None else points).to_numpy()
    average = np.full(len(values), card.expected_health)
    shares = probability_shares(card, values, start=average, segments=snapshot.get("segment"))
    order = np.argsort(values, axis=1, kind="stable")
    frames = []
    for rank in range(values.shape[1]):
        picked = order[:, rank]
        rows = np.arange(len(values))
        frames.append(
            pd.DataFrame(
                {
                    "account_id": snapshot["account_id"].to_numpy(),
                    "as_of": snapshot["as_of"].array,
                    "rank": rank + 1,
                    "measure": np.array([m.name for m in card.measures], dtype=object)[picked],
                    "health_points": values[rows, picked],
                    "probability_points": shares[rows, picked],
                }
            )
        )
    if not frames:
        return pd.DataFrame(columns=["account_id", "as_of", "rank", "measure", "health_points", "probability_points"])
    long = pd.concat(frames, ignore_index=True)
    return long.sort_values(["account_id", "as_of", "rank"], ignore_index=True)


def probability_shares(
    card: Scorecard, moves: NDArray[np.float64], *, start: NDArray[np.float64], segments: pd.Series | None
) -> NDArray[np.float64]:
    """Return what each of several moves of health does to the churn probability (n_rows, n_moves).

    The probability depends on health alone, so along the straight path from `start` to ``start + moves.sum(axis=1)``
    each move's share of the probability is its share of the health (Aumann–Shapley). The shares of a row sum to the
    difference in probability between both ends.

    Parameters
    ----------
    moves : ndarray of shape (n_rows, n_moves)
        Health points.
    start : ndarray of shape (n_rows,)
        Health, 0–100.
    segments : Series of length n_rows, optional
        The segment of each row, the same at both ends.
    """
    total = moves.sum(axis=1)
    distance = card.probability_of(start + total, segments) - card.probability_of(start, segments)
    slope_there = card.probability_of(start + 0.5, segments) - card.probability_of(start - 0.5, segments)
    per_point = np.divide(distance, total, out=slope_there, where=np.abs(total) > 1e-9)
    shares: NDArray[np.float64] = moves * per_point[:, np.newaxis]
    return shares


def _as_numbers(column: pd.Series) -> NDArray[np.float64]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.factorize(column, sort=True)[0].astype(np.float64)


def summary_figure(contributions: NDArray[np.float64], design: pd.DataFrame) -> Figure:
    """Return SHAP's beeswarm of a challenger's contributions.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_columns)
        TreeSHAP values in churn logits.
    design : DataFrame of shape (n_rows, n_columns)
        The values they belong to; text columns are shown by their order.
    """
    import matplotlib as mpl
    import shap
    from matplotlib.figure import Figure

    shown = np.column_stack([_as_numbers(design[name]) for name in design.columns])
    explanation = shap.Explanation(values=contributions, data=shown, feature_names=[str(c) for c in design.columns])
    with mpl.rc_context({"backend": "Agg"}):
        from matplotlib import pyplot as plt

        axes = shap.plots.beeswarm(explanation, max_display=15, show=False, plot_size=(9, 5.5))
        figure = axes.get_figure()
        assert isinstance(figure, Figure)  # noqa: S101 - narrows matplotlib's return type
        axes.set_xlabel("SHAP value (churn logits): right raises the risk")
        figure.tight_layout()  # long measure names are cut otherwise
        plt.close(figure)  # out of pyplot's global list; the figure itself stays drawable
    return figure
