"""Whether those who overrule the score know more than it: what became of the accounts beside what the card expected.

An override says that an account is worse or better off than the band of its score. Had it no knowledge of its own, the
overruled would leave as often as the card's calibrated probabilities say, whatever their band; so the churn rate is
held against their mean, with no need of a group of others. Who is shown red is called, and a call may save: where calls
help, overrides for the worse look less right than they were.
"""

from __future__ import annotations

import math

import pandas as pd

from churnfit.evaluation.intervals import share_of

__all__ = ["FEWEST_OVERRULED", "override_rates"]

FEWEST_OVERRULED = 10
"""Accounts whose horizon is over: of fewer, a share is anybody's guess."""

_KEY = ("said_by", "direction")
_COLUMNS = [*_KEY, "accounts", "right", "expected", "churned_low", "churned", "churned_high", "verdict"]


def override_rates(overruled: pd.DataFrame) -> pd.DataFrame:
    """Return how right overrides were: a row per who said it and direction, in that order.

    Parameters
    ----------
    overruled : pandas.DataFrame
        A row per override whose horizon is over: said_by, direction ("worse" or "better" than the score's band),
        churn_probability (0 to 1, when it was first in force), churned (0 or 1).

    Returns
    -------
    pandas.DataFrame
        said_by, direction, accounts, right (the share that left where worse was said, stayed where better), expected
        (the mean churn probability), churned_low, churned, churned_high (the churn rate with its 90 % interval) and
        verdict: "too few", "knew more" (the interval lies beyond what was expected, the way it was said), "knew less"
        (it lies the other way), "not known yet".
    """
    rows = [
        dict(zip(_KEY, key, strict=True)) | _judged(group, str(key[1])) for key, group in overruled.groupby([*_KEY])
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _judged(overruled: pd.DataFrame, direction: str) -> dict[str, object]:
    churned = share_of(int(overruled["churned"].sum()), len(overruled))
    expected = float(overruled["churn_probability"].mean())
    enough = len(overruled) >= FEWEST_OVERRULED
    above, below = churned.low > expected, churned.high < expected
    more, less = (above, below) if direction == "worse" else (below, above)
    return {
        "accounts": len(overruled),
        "right": churned.estimate if direction == "worse" else 1 - churned.estimate,
        "expected": expected,
        "churned_low": churned.low if enough else math.nan,
        "churned": churned.estimate,
        "churned_high": churned.high if enough else math.nan,
        "verdict": "too few" if not enough else "knew more" if more else "knew less" if less else "not known yet",
    }
