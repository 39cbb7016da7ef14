"""override set, list, lift, rates: what a person knows better than the card, and whether so."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from churnfit.cli.app import AsJson, AsOf, By, CardOption, app, calendar_date, day, opened
from churnfit.cli.output import print_document, print_lines, print_table

__all__ = ["lift", "list_overrides", "put", "rates"]

override = typer.Typer(
    no_args_is_help=True, help="Set, list and lift what accounts are shown as, whatever they score; how right that was."
)
app.add_typer(override, name="override")

Account = Annotated[str, typer.Argument(help="account_id")]
Why = Annotated[str, typer.Option("--why", help="Why; kept for good.")]


@override.command(name="set")
def put(
    account: Account,
    band: Annotated[str, typer.Option("--band", help="red, amber or green.")],
    until: Annotated[str, typer.Option("--until", help="The last day it holds, YYYY-MM-DD.")],
    why: Why,
    card: CardOption = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Show an account in a band until a date; the next date's run acts on it, its score stays."""
    from churnfit.jobs.overriding import set_override

    workspace, name = opened(card)
    last = calendar_date(until, where="--until").date()
    found = set_override(workspace, name, account, band=band, until=last, why=why, by=by)
    if as_json:
        print_document(override=asdict(found))
    else:
        print_lines(f"{found.account_id}: {found.in_words}")


@override.command()
def lift(account: Account, why: Why, card: CardOption = None, by: By = None, as_json: AsJson = False) -> None:
    """End an account's override before its date."""
    from churnfit.jobs.overriding import lift_override

    workspace, name = opened(card)
    found = lift_override(workspace, name, account, why=why, by=by)
    if as_json:
        print_document(override=asdict(found))
    else:
        print_lines(f"{found.account_id}: lifted by {found.by}: {found.why}")


@override.command(name="list")
def list_overrides(
    card: CardOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over, replaced or lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the overrides in force."""
    from churnfit.jobs.overriding import overrides

    workspace, name = opened(card)
    found = overrides(workspace, name, every=every)
    if as_json:
        print_document(card=name, overrides=[asdict(each) for each in found])
        return
    rows = [(o.account_id, o.band or "lifted", o.until or "", o.by, o.at, o.why) for o in found]
    print_table(("account", "band", "until", "by", "when", "why"), rows, title=name)


@override.command()
def rates(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print how often overrides came true, beside what the card expected of these accounts."""
    from churnfit.evaluation.prose import percent
    from churnfit.jobs.overriding import rates as found_in

    workspace, name = opened(card)
    found = found_in(workspace, name, as_of=day(as_of)).to_dict("records")
    if as_json:
        print_document(card=name, rates=found)
        return
    rows = [
        (
            row["said_by"],
            row["direction"],
            row["accounts"],
            percent(row["right"]),
            percent(row["expected"]),
            percent(row["churned"])
            + (
                ""
                if row["verdict"] == "too few"
                else f" ({percent(row['churned_low'])} to {percent(row['churned_high'])})"
            ),
            row["verdict"],
        )
        for row in found
    ]
    header = ("said by", "than the score", "accounts", "came true", "churn expected", "churn", "verdict")
    print_table(header, rows, title=f"{name}: overrides whose horizon is over, 90 % intervals")
