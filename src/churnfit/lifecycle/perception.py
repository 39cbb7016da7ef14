"""Who says one thing and does another: the newest survey answer beside the behaviour, both ways.

What an account *says* is its answer on the survey's own scale, as the spec cuts it: content, neutral or discontent.
What it *does* is the band of its health when every line of the card that reads the answer is given its expected points
instead: an answer cannot vouch for itself. Content beside red and discontent beside green are mismatches. A gap (not
asked, no answer, too old) says nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnfit.errors import DataError, count_and_examples
from churnfit.scorecard.card import Scorecard
from churnfit.spec.perception import Perception

__all__ = ["CONTENT", "DISCONTENT", "NEUTRAL", "SILENT", "perceptions"]

CONTENT, NEUTRAL, DISCONTENT, SILENT = "content", "neutral", "discontent", "no answer"


def perceptions(
    card: Scorecard, scores: pd.DataFrame, measured: pd.DataFrame, *, perception: Perception
) -> pd.DataFrame:
    """Return what each account of a run says and does, in the order of `scores`.

    Parameters
    ----------
    card : Scorecard
        It scored the run.
    scores, measured : DataFrame
        The run's scores and snapshot, row by row the same accounts.
    perception : Perception
        The spec's.

    Returns
    -------
    DataFrame
        Key account_id; owner, segment, answer (NaN: none), says (one of the four words of this module),
        health_without_answer (0–100), does (its band), mismatch (bool).

    Raises
    ------
    DataError
        CF212 when the answers are text.
    """
    answer = _answers(measured, perception.measure).to_numpy(dtype=np.float64, na_value=np.nan)
    says = np.select(
        [np.isnan(answer), answer >= perception.content_from, answer <= perception.discontent_to],
        [SILENT, CONTENT, DISCONTENT],
        NEUTRAL,
    )
    members = {pair.name: pair.members for pair in card.pairs}
    reading = [line for line in card.measures if perception.measure in members.get(line.name, (line.name,))]
    health = scores["health"].to_numpy(dtype=np.float64).copy()
    for line in reading:
        health += line.expected_points - scores[f"points_{line.name}"].to_numpy(dtype=np.float64)
    does = card.bands.band(health)
    return pd.DataFrame(
        {
            "account_id": scores["account_id"].to_numpy(),
            "owner": scores["owner"].to_numpy(),
            "segment": scores["segment"].to_numpy(),
            "answer": answer,
            "says": says,
            "health_without_answer": health,
            "does": does,
            "mismatch": ((says == CONTENT) & (does == "red")) | ((says == DISCONTENT) & (does == "green")),
        }
    )


def _answers(measured: pd.DataFrame, measure: str) -> pd.Series:
    try:
        return pd.to_numeric(measured[measure])
    except (TypeError, ValueError):
        raise DataError(
            "CF212",
            where=f"perception.measure: '{measure}'",
            expected="numbers on the survey's scale",
            came=f"text: {count_and_examples(measured[measure].dropna().unique())}",
            fix="Name a measure whose values are answers.",
        ) from None
