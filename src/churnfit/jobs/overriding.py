"""override: what people say accounts are shown as, until a date, signed and with a reason; and how right that was."""

from __future__ import annotations

from contextlib import closing
from datetime import date

import numpy as np
import pandas as pd

from churnfit.cta.overrides import Override, in_force, said_by
from churnfit.cta.store import RunRow
from churnfit.errors import UsageError
from churnfit.evaluation.override_rates import override_rates
from churnfit.files import read_parquet
from churnfit.jobs.history import answered, now
from churnfit.jobs.published import newest_runs
from churnfit.jobs.scoring import ruled_bands
from churnfit.jobs.signing import moment, signer
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.bands import band_rank
from churnfit.spec import ScorecardSpec

__all__ = ["BANDS", "lift_override", "overrides", "rates", "set_override"]

BANDS = ("red", "amber", "green")


def set_override(
    workspace: Workspace, card: str, account_id: str, *, band: str, until: date, why: str, by: str | None = None
) -> Override:
    """Return the override that the runs from now on follow; one that the account has is replaced.

    Raises
    ------
    UsageError
        CF703 when the band is none, the date is past or nobody says why; CF702 when the newest run did not score the
        account.
    """
    if band not in BANDS:
        raise UsageError("CF703", where="--band", expected=f"one of {', '.join(BANDS)}", came=band, fix="Give one.")
    if until < (today := now().date()):
        raise UsageError(
            "CF703", where="--until", expected=f"{today} or a later date", came=str(until), fix="Give a date to come."
        )
    return _written(workspace, card, account_id, band=band, until=until, why=why, by=by)


def lift_override(workspace: Workspace, card: str, account_id: str, *, why: str, by: str | None = None) -> Override:
    """Return the row that ends the account's override.

    Raises
    ------
    UsageError
        CF703 when nobody says why, CF702 when no override of the account is in force today.
    """
    return _written(workspace, card, account_id, band="", until=None, why=why, by=by)


def overrides(workspace: Workspace, card: str, *, every: bool = False) -> list[Override]:
    """Return the overrides in force today, by account; or every one that was set or lifted, oldest first."""
    with closing(workspace.store()) as store:
        rows = store.overrides(card)
    return rows if every else [row for _, row in sorted(in_force(rows, now().date()).items())]


def rates(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return how right overrides were, by people and by each rule, as `churnfit.evaluation.override_rates`.

    An account counts once for people and once for a rule, each for the worse and for the better, on the first published
    date on which an override said another band than its score, if the horizon after it is over. Rules are those of the
    spec today, held against the kept snapshots.

    Raises
    ------
    UsageError
        CF702 when nothing was published.
    """
    spec = workspace.spec(card)
    newest = newest_runs(workspace, card)
    with closing(workspace.store()) as store:
        said = store.overrides(card)
    rows = pd.concat([_overruled(workspace, spec, newest[day], said) for day in sorted(newest)])
    rows = rows.drop_duplicates(["account_id", "said_by", "direction"])
    if not rows.empty:
        known = answered(workspace, spec, rows[["account_id", "as_of"]].drop_duplicates(), as_of=as_of)
        rows = rows.merge(known, on=["account_id", "as_of"])
    return override_rates(rows.assign(churned=0) if rows.empty else rows)


def _overruled(workspace: Workspace, spec: ScorecardSpec, run: RunRow, said: list[Override]) -> pd.DataFrame:
    """Return the accounts of a run that were overruled to another band: by whom, which way, what was expected."""
    folder = workspace.folder / run.folder
    holding = dict(in_force(said_by(said, run.as_of), run.as_of))
    if spec.overrides:
        snapshot = read_parquet(folder / "snapshot.parquet")
        if set(spec.measures) <= set(snapshot.columns):  # a rule cannot speak of a night that did not measure it
            holding = ruled_bands(snapshot, spec) | holding
    scores = read_parquet(folder / "scores.parquet")
    found = scores.loc[scores["account_id"].isin(list(holding)), ["account_id", "as_of", "band", "churn_probability"]]
    bands = found["account_id"].map({account: one.band for account, one in holding.items()})
    by = found["account_id"].map(
        {account: "people" if one.by else f"a rule: {one.why}" for account, one in holding.items()}
    )
    worse = band_rank(bands.to_numpy(dtype=object)) < band_rank(found["band"].to_numpy(dtype=object))
    found = found.assign(said_by=by, direction=np.where(worse, "worse", "better"))
    return found[bands != found["band"]]


def _written(
    workspace: Workspace, card: str, account_id: str, *, band: str, until: date | None, why: str, by: str | None
) -> Override:
    if not why.strip():
        raise UsageError("CF703", where="--why", expected="a reason", came="nothing", fix="Say what the card misses.")
    override = Override(card=card, account_id=account_id, band=band, until=until, why=why, by=signer(by), at=moment())
    with closing(workspace.store()) as store, store.changing(card) as of_card:
        found = of_card.scored(account_id) if band else account_id in in_force(of_card.overrides(), now().date())
        if not found:
            raise UsageError(
                "CF702",
                where=f"card '{card}'",
                expected="an account that the newest run scored" if band else "an account with an override in force",
                came=f"'{account_id}'",
                fix="Check the id." if band else "`churnfit override list` names them.",
            )
        of_card.overrule(override)
    return override
