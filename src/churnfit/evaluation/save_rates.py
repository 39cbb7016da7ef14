"""What calls save: accounts whose calls to action came into the queue beside those held out, per playbook and reason.

Held out is drawn by chance from all who were to be called, so the two differ by the queue alone. Everyone in the queue
counts, called or not: whom the team gets to is no chance, and only all of them are like the held-out ones.
"""

from __future__ import annotations

import math

import pandas as pd

from churnfit.evaluation.intervals import Interval, share_of

__all__ = ["FEWEST_ACCOUNTS", "FEWEST_CHURNERS", "churn_averted", "contradicts", "save_rate", "save_rates"]

FEWEST_ACCOUNTS, FEWEST_CHURNERS = 20, 5
"""Of accounts on each side, and of churners among the held-out: below, a ratio of two rates is anybody's guess."""


def save_rates(accounts: pd.DataFrame, *, expected: float) -> pd.DataFrame:
    """Return what came of calling, per playbook, and per playbook and reason: one row each, wholes first.

    Parameters
    ----------
    accounts : pandas.DataFrame
        A row per CTA whose horizon is over, oldest first: account_id, playbook, reason, held_out (bool), called (bool),
        churned (0 or 1). In every comparison an account counts once, with its first row there.
    expected : float
        The save rate (0 to 1) that the bands count on.

    Returns
    -------
    pandas.DataFrame
        playbook ("" for all, where there are several), reason ("" for all of the playbook), queued, called (of the
        queued), held_out (accounts), churn_queued and churn_held_out (rates), averted_low, averted, averted_high
        (held-out minus queued churn rate), save_rate_low, save_rate, save_rate_high (the share of churners saved), both
        with 90 % intervals, and verdict: "too few", "saves", "does harm", "does nothing" (the interval holds 0, ends
        below `expected`), "not known yet".
    """
    parts = [accounts.assign(reason="")]
    if accounts["playbook"].nunique() > 1:
        parts.append(accounts.assign(playbook="", reason=""))
    parts.append(accounts[accounts.groupby("playbook")["reason"].transform("nunique") > 1])
    rows = [pair for part in parts for pair in part.drop_duplicates(["account_id", *_KEY]).groupby(list(_KEY))]
    table = [dict(zip(_KEY, key, strict=True)) | _compared(group, expected) for key, group in rows]
    return pd.DataFrame(table, columns=_COLUMNS).sort_values(list(_KEY), ignore_index=True)


def contradicts(saved: pd.DataFrame, expected: float) -> bool:
    """Say whether the save rate of all accounts in `saved` (of `save_rates`) is known, and surely not `expected`."""
    if saved.empty or saved.iloc[0]["verdict"] == "too few":
        return False
    return not saved.iloc[0]["save_rate_low"] <= expected <= saved.iloc[0]["save_rate_high"]


_KEY = ("playbook", "reason")
_COLUMNS = [
    *_KEY, "queued", "called", "held_out", "churn_queued", "churn_held_out", "averted_low", "averted",
    "averted_high", "save_rate_low", "save_rate", "save_rate_high", "verdict",
]  # fmt: skip


def _compared(accounts: pd.DataFrame, expected: float) -> dict[str, object]:
    queued, held_out = accounts[~accounts["held_out"]], accounts[accounts["held_out"]]
    left, left_alone = int(queued["churned"].sum()), int(held_out["churned"].sum())
    counts = (left, len(queued), left_alone, len(held_out))
    enough = min(len(queued), len(held_out)) >= FEWEST_ACCOUNTS and left_alone >= FEWEST_CHURNERS
    unknown = Interval(math.nan, math.nan, math.nan)
    averted, saved = (churn_averted(*counts), save_rate(*counts)) if enough else (unknown, unknown)
    return {
        "queued": len(queued),
        "called": int(queued["called"].sum()),
        "held_out": len(held_out),
        "churn_queued": left / len(queued) if len(queued) else math.nan,
        "churn_held_out": left_alone / len(held_out) if len(held_out) else math.nan,
        **_columns("averted", averted),
        **_columns("save_rate", saved),
        "verdict": _verdict(saved, expected) if enough else "too few",
    }


def _columns(name: str, interval: Interval) -> dict[str, object]:
    return {f"{name}_low": interval.low, name: interval.estimate, f"{name}_high": interval.high}


def _verdict(saved: Interval, expected: float) -> str:
    if saved.low > 0:
        return "saves"
    if saved.high < 0:
        return "does harm"
    return "does nothing" if saved.high < expected else "not known yet"


def churn_averted(left: int, queued: int, left_alone: int, held_out: int) -> Interval:
    """Return the held-out churn rate minus the queued one, with its 90 % interval.

    Parameters
    ----------
    left, queued : int
        Churners among the accounts in the queue, and how many these are.
    left_alone, held_out : int
        The same of the held-out ones.

    References
    ----------
    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10: the square
    roots of the summed squared distances to the ends of both Wilson intervals.

    Examples
    --------
    >>> averted = churn_averted(10, 100, 20, 100)
    >>> [round(end, 3) for end in (averted.low, averted.estimate, averted.high)]
    [0.017, 0.1, 0.183]
    """
    called, alone = share_of(left, queued), share_of(left_alone, held_out)
    difference = alone.estimate - called.estimate
    low = math.hypot(alone.estimate - alone.low, called.high - called.estimate)
    high = math.hypot(alone.high - alone.estimate, called.estimate - called.low)
    return Interval(difference - low, difference, difference + high)


def save_rate(left: int, queued: int, left_alone: int, held_out: int) -> Interval:
    """Return the share of churners that the queue saved, 1 − queued ÷ held-out churn rate, with its 90 % interval.

    Parameters as of `churn_averted`; below 0 where more of the queued left.

    References
    ----------
    Donner and Zou (2012), "Closed-form confidence intervals for functions of the normal mean and standard deviation",
    section 2: the ratio of two estimates from their own intervals, here Wilson's.

    Examples
    --------
    >>> saved = save_rate(10, 100, 20, 100)
    >>> [round(end, 2) for end in (saved.low, saved.estimate, saved.high)]
    [0.1, 0.5, 0.72]
    """
    called, alone = share_of(left, queued), share_of(left_alone, held_out)
    product = called.estimate * alone.estimate
    most = called.high * (2 * called.estimate - called.high), alone.low * (2 * alone.estimate - alone.low)
    least = called.low * (2 * called.estimate - called.low), alone.high * (2 * alone.estimate - alone.high)
    ratio_high = (product + math.sqrt(product**2 - most[0] * most[1])) / most[1]
    ratio_low = least[0] / (product + math.sqrt(product**2 - least[0] * least[1])) if left else 0.0
    return Interval(1 - ratio_high, 1 - called.estimate / alone.estimate, 1 - ratio_low)
