"""override: a person sets, lifts or lists what accounts are shown as, until a date, signed and with a reason."""

from __future__ import annotations

from contextlib import closing
from datetime import date

from churnfit.cta.overrides import Override, in_force
from churnfit.errors import UsageError
from churnfit.jobs.history import now
from churnfit.jobs.signing import moment, signer
from churnfit.jobs.workspace import Workspace

__all__ = ["BANDS", "lift_override", "overrides", "set_override"]

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
