"""deliver: other systems told of moves of CTAs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from churnfit.cli.app import AsJson, app
from churnfit.cli.log import record
from churnfit.cli.output import print_document, print_lines, print_table
from churnfit.errors import DataError

__all__ = ["deliver"]


@app.command()
def deliver(
    dead: Annotated[bool, typer.Option("--dead", help="Send nothing; list what was given up.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="First make everything given up due again.")] = False,
    drop: Annotated[
        str | None, typer.Option("--drop", metavar="KEY", help="First forget one that was given up.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell the webhooks of churnfit.toml what is due: signed, in the order of each CTA's moves, at least once."""
    from churnfit.jobs import delivering
    from churnfit.jobs.workspace import find_workspace

    workspace = find_workspace(Path())
    if dead:
        letters = delivering.dead_letters(workspace)
        if as_json:
            print_document(dead=[{k: v for k, v in asdict(letter).items() if k != "body"} for letter in letters])
            return
        rows = [(each.sink, each.key, each.cta_id, each.attempts, each.answer) for each in letters]
        print_table(("sink", "key", "CTA", "attempts", "last answer"), rows)
        return
    if drop is not None:
        delivering.drop(workspace, drop)
    if retry:
        delivering.retry(workspace)
    done = delivering.deliver(workspace)
    for each in done:
        record("Delivered", **asdict(each))
    if as_json:
        print_document(sinks=[asdict(each) for each in done])
    elif done:
        header = ("sink", "delivered", "later", "dead", "waiting", "last fault")
        print_table(header, [tuple(asdict(each).values()) for each in done])
    else:
        print_lines("No [sinks] in churnfit.toml; nothing waits.")
    if any(each.dead for each in done):
        raise typer.Exit(DataError.exit_code)
