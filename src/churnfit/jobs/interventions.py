"""What was done about a card's CTAs, and who was held out: interventions that churnfit itself knows of."""

from __future__ import annotations

from contextlib import closing
from datetime import date

import pandas as pd

from churnfit.cta.records import Cta
from churnfit.database import exists
from churnfit.jobs.workspace import Workspace

__all__ = ["interventions"]

_COLUMNS = ("account_id", "at", "playbook", "outcome", "held_out", "holdout_share")


def interventions(workspace: Workspace, card: str) -> pd.DataFrame:
    """Return what was done about the card's CTAs as `churnfit.tables.INTERVENTIONS`, by account and moment.

    A row per CTA that a person claimed, or closed as done, saved or churned: `at` (aware) is the moment of the first of
    these, or the earlier day it was closed on. A row per held-out one (held_out 1, else 0; holdout_share null unless
    held out): `at` is the day it opened. A day alone counts as its noon, after the scores of that morning.

    What nobody touched, or was not valid, was no intervention, until the card holds out: from its first hold-out on
    every CTA in the queue counts from the day it opened. Those held out stand for all of the queue: whom nobody had
    time for would be counted twice, as themselves and as those.
    """
    every: list[Cta] = []
    called: dict[str, str] = {}
    if exists(workspace.database):  # who only reads makes none
        with closing(workspace.store()) as store:
            every, called = store.ctas(card), store.first_called(card)
    rows = []
    first_hold_out = min((cta.opened_on for cta in every if cta.holdout_share is not None), default=date.max)
    for cta in every:
        held_out = cta.holdout_share is not None
        compared = cta.opened_on >= first_hold_out
        acted_on = cta.cta_id in called and cta.outcome != "not valid"
        if compared or acted_on:
            at = _noon(cta.opened_on) if compared else _acted_at(cta, pd.Timestamp(called[cta.cta_id]))
            rows.append((cta.account_id, at, cta.playbook, cta.outcome, float(held_out), cta.holdout_share))
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).sort_values(["account_id", "at"], ignore_index=True)
    return frame.assign(
        at=pd.to_datetime(frame["at"], utc=True), holdout_share=frame["holdout_share"].astype("float64")
    )


def _acted_at(cta: Cta, first_called: pd.Timestamp) -> pd.Timestamp:
    """Return when somebody acted: what is entered late, with the day it was closed on, was done on that day."""
    if cta.closed_by and cta.closed_on is not None and cta.closed_on < first_called.date():
        return _noon(cta.closed_on)
    return first_called


def _noon(day: date) -> pd.Timestamp:
    return pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=12)
