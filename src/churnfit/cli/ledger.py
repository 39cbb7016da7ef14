"""ledger, ledger verify, ledger mend: who moved the champion, when and why, and whether anybody touched the record."""

from __future__ import annotations

from typing import Annotated

import typer

from churnfit.cli.app import AsJson, By, CardOption, app, is_handed_on, opened
from churnfit.cli.output import print_document, print_lines, print_table
from churnfit.errors import IntegrityError, UsageError

__all__ = ["listed", "mend", "verify"]

ledger = typer.Typer(help="Print who moved the champion, when and why; verify and mend the record.")
app.add_typer(ledger, name="ledger")


@ledger.callback(invoke_without_command=True)
def listed(context: typer.Context, card: CardOption = None, as_json: AsJson = False) -> None:
    """Print who moved the champion, when and why, oldest first; `verify` and `mend` are below."""
    from churnfit.jobs.promotion import ledger_rows
    from churnfit.registry.ledger import as_mapping

    if is_handed_on(context, card=card, as_json=as_json):
        return
    workspace, name = opened(card)
    rows = ledger_rows(workspace, name)
    if as_json:
        print_document(card=name, rows=[as_mapping(row) for row in rows])
        return
    table = [
        (
            row.sequence,
            row.at,
            row.kind,
            f"version-{row.version}" if row.version else row.candidate,
            row.candidate if row.version else "",
            row.done_by,
            row.asked_by,
            row.reason,
            row.canary,
            row.row_hash[:12],
        )
        for row in rows
    ]
    header = ("#", "when", "what", "which", "from", "by", "asked by", "reason", "canary", "hash")
    print_table(header, table, title=name)


@ledger.command()
def verify(card: CardOption = None, as_json: AsJson = False) -> None:
    """Recompute every hash and link, hold MLflow's alias and artifacts against them; exit code 4 when one differs."""
    from churnfit.jobs.promotion import ledger_faults, ledger_rows

    workspace, name = opened(card)
    faults, rows = ledger_faults(workspace, name), ledger_rows(workspace, name)
    if as_json:
        print_document(card=name, rows=len(rows), intact=not faults, faults=faults)
    elif faults:
        print_lines(f"{name}: NOT INTACT", *(f"  {fault}" for fault in faults))
    else:
        print_lines(f"{name}: intact; rows: {len(rows)}; every hash, link, card and artifact is as written")
    raise typer.Exit(IntegrityError.exit_code if faults else 0)


@ledger.command()
def mend(
    card: CardOption = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="The ledger is damaged: record the version of MLflow's alias as champion.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger. Needed with --adopt.")] = "",
    by: By = None,
) -> None:
    """Set MLflow's alias back to what the ledger says; bring back a champion's lost artifact from the ledger's copy."""
    from churnfit.jobs.promotion import mend as make_whole

    workspace, name = opened(card)
    if adopt and not reason.strip():
        raise UsageError(
            "CF703", where="ledger mend --adopt", expected="--reason", came="none", fix="Say why, in a sentence."
        )
    print_lines(f"{name}: {make_whole(workspace, name, reason=reason or 'mended', by=by, adopt=adopt)}")
