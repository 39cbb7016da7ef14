"""feeds: how fresh each kind of event is."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import typer

from churnfit.cli.app import AsJson, AsOf, CardOption, app, day, opened
from churnfit.cli.output import print_document, print_lines, print_table

__all__ = ["feeds"]


@app.command()
def feeds(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print how fresh each kind of event is and what reads it; exit 1 when one has stopped."""
    from churnfit.jobs.feeds import feeds as found_in

    workspace, name = opened(card)
    found = found_in(workspace, name, as_of=day(as_of))
    if as_json:
        print_document(card=name, feeds=found.to_dict("records"))
    elif found.empty:
        print_lines(f"{name}: its table has no events.")
    else:
        header = ("kind", "newest", "days old", "longest pause", "", "measures")
        print_table(header, [_said(row) for row in found.to_dict("records")], title=f"{name}: events of the last year")
    raise typer.Exit(1 if found["stopped"].any() else 0)


def _said(row: dict[Hashable, Any]) -> tuple[object, ...]:
    came = not math.isnan(row["age_days"])
    return (
        row["kind"],
        f"{row['newest']:%Y-%m-%d}" if came else "none",
        f"{row['age_days']:.0f}" if came else "",
        f"{row['longest_pause_days']:.0f}" if came else "",
        "STOPPED" if row["stopped"] else "",
        ", ".join(row["measures"]),
    )
