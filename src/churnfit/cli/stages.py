"""stages: who is ready for the next stage, who has moved, and whom nobody scores any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from churnfit.cli.app import AsJson, CardOption, app, calendar_date, opened
from churnfit.cli.output import print_document, print_lines, print_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["stages"]

_SHOWN = 20  # of each list; --json has all


@app.command()
def stages(
    card: CardOption = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Moved since, YYYY-MM-DD; 30 days before the newest run when absent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print who is ready for the next stage, who has moved there and with what, and whom nobody scores any more."""
    from churnfit.jobs.stages import stages as found_in

    workspace, name = opened(card)
    first = None if since is None else calendar_date(since, where="--since").date()
    found = found_in(workspace, name, since=first)
    parts = {"ready": found.ready, "moved": found.moved, "beyond": found.beyond}
    if as_json:
        rows = {part: table.to_dict("records") for part, table in parts.items()}
        print_document(card=name, as_of=found.as_of, next_stage=found.next_stage, **rows)
        return
    _print(f"Ready for {found.next_stage} on {found.as_of}", found.ready, _READY)
    shown = found.moved.assign(
        ready=found.moved["ready"].map({True: "yes", False: "no"}), reasons=found.moved["reasons"].map("; ".join)
    )
    _print("Moved, as last scored", shown, _MOVED)
    _print("Scored by nobody", found.beyond, _BEYOND)


_READY = {"account_id": "account", "owner": "owner", "segment": "segment", "stage_day": "day", "health": "health"}
_MOVED = {
    "account_id": "account", "owner": "owner", "stage": "now in", "last_scored_on": "last scored", "health": "health",
    "band": "band", "ready": "ready then", "reasons": "because", "cta_status": "its call",
}  # fmt: skip
_BEYOND = {"account_id": "account", "owner": "owner", "stage_day": "day"}


def _print(title: str, table: pd.DataFrame, columns: dict[str, str]) -> None:
    if table.empty:
        print_lines(f"{title}: nobody.")
        return
    more = f", the first {_SHOWN} of {len(table):,}" if len(table) > _SHOWN else ""
    rows = table[list(columns)].head(_SHOWN).astype(object)
    shown = rows.where(rows.notna(), "").to_numpy()
    print_table(list(columns.values()), [[_said(value) for value in row] for row in shown], title=f"{title}{more}")


def _said(value: object) -> object:
    return f"{value:.0f}" if isinstance(value, float) else value
