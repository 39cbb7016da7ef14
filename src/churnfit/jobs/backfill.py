"""score over a range of dates: each as the run of that date alone, oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from churnfit.errors import ChurnfitError, UsageError
from churnfit.jobs.history import Say
from churnfit.jobs.scoring import ScoringResult, score
from churnfit.jobs.workspace import Workspace

__all__ = ["backfill", "dates"]


def dates(first: pd.Timestamp, last: pd.Timestamp, *, every_days: int) -> list[pd.Timestamp]:
    """Return `first` and every date so many days on, up to `last`.

    Raises
    ------
    UsageError
        CF703 when there is none.

    Examples
    --------
    >>> [f"{day:%m-%d}" for day in dates(pd.Timestamp("2026-06-01"), pd.Timestamp("2026-06-15"), every_days=7)]
    ['06-01', '06-08', '06-15']
    """
    if last < first:
        raise UsageError(
            "CF703",
            where="--from, --to",
            expected="a first date that is not after the last",
            came=f"{first:%Y-%m-%d}, {last:%Y-%m-%d}",
            fix="Exchange them.",
        )
    return list(pd.date_range(first, last, freq=pd.Timedelta(days=every_days)))


def backfill(workspace: Workspace, card: str, days: Sequence[pd.Timestamp], *, say: Say) -> Iterator[ScoringResult]:
    """Yield what the run of each date did, once it is published; `days` in order.

    Again, the same dates change nothing; dates older than the newest published one join the history.

    Raises
    ------
    ChurnfitError
        What the run of a date raises, with the dates that were done before it; later ones are not begun.
    """
    for done, as_of in enumerate(days):
        try:
            result = score(workspace, card, as_of=as_of, say=_dated(say, as_of))
        except ChurnfitError as fault:
            if not done:
                raise
            raise type(fault)(
                fault.code,
                where=f"{fault.where}; {done} of {len(days)} dates are done, up to {days[done - 1]:%Y-%m-%d}",
                expected=fault.expected,
                came=fault.came,
                fix=f"{fault.fix} Then run the same range again: what is done stays as it is.",
                also=fault.also,
            ) from fault
        yield result


def _dated(say: Say, as_of: pd.Timestamp) -> Say:
    return lambda step: say(f"{as_of:%Y-%m-%d}: {step}")
