"""reproduce: published scores, byte for byte again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from churnfit.cli.app import AsJson, CardOption, app, day, opened
from churnfit.cli.output import print_document, print_lines

__all__ = ["reproduce"]


@app.command()
def reproduce(
    card: CardOption = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A scored date; the newest when absent.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every published run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a published run again from the ledger's card and the kept snapshot; exit code 4 when one byte differs."""
    from churnfit.jobs.reproducing import reproduce as again

    workspace, name = opened(card)
    found = again(workspace, name, as_of=day(as_of).date() if as_of else None, every=every)
    if as_json:
        print_document(card=name, reproduced=[asdict(one) for one in found])
        return
    for one in found:
        alike = "byte for byte" if one.byte_for_byte else "value for value (another pyarrow wrote the files)"
        what = f"{', '.join(one.compared)} of {one.run.accounts:,} accounts with {one.run.version}"
        print_lines(f"{name} on {one.run.as_of}: {what} are {alike} what was published")
