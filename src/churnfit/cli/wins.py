"""wins: the good news of the last days."""

from __future__ import annotations

from typing import Annotated

import typer

from churnfit.cli.app import AsJson, CardOption, app, opened
from churnfit.cli.output import print_document, print_lines, print_table

__all__ = ["wins"]


@app.command()
def wins(
    card: CardOption = None,
    owner: Annotated[str | None, typer.Option(help="Of one owner only.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Of how many days before the newest run.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Print whose accounts rose to a better band or reached a step of the journey in the last days."""
    from churnfit.jobs.wins import wins as found_in

    workspace, name = opened(card)
    found = found_in(workspace, name, days=days, owner=owner)
    if as_json:
        print_document(card=name, wins=found.to_dict("records"))
    elif found.empty:
        print_lines(f"{name}: no win in {days} days.")
    else:
        rows = [tuple(row) for row in found.itertuples(index=False)]
        print_table(("owner", "account", "what", "why"), rows, title=f"{name}: wins of {days} days")
