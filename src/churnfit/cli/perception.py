"""perception: who says one thing and does another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnfit.cli.app import AsJson, AsOf, CardOption, app, day, opened
from churnfit.cli.output import print_document, print_lines, print_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["perception"]

_SHOWN = 20  # of the mismatches; --json has all
_DOES = ("red", "amber", "green")


@app.command()
def perception(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print how survey answers and behaviour go together in a published run, and the accounts where they disagree."""
    from churnfit.jobs.perception import perception as found_in

    workspace, name = opened(card)
    found = found_in(workspace, name, as_of=None if as_of is None else day(as_of).date())
    if as_json:
        print_document(card=name, perceptions=found.to_dict("records"))
        return
    print_table(("says", *(f"does {band}" for band in _DOES)), _counts(found), title=f"{name}: accounts by answer")
    apart = found[found["mismatch"]].sort_values(["health_without_answer", "account_id"])
    if apart.empty:
        print_lines("Says one thing and does another: nobody.")
        return
    rows = [
        (
            row.account_id,
            row.owner,
            row.segment,
            row.says,
            f"{row.answer:g}",
            row.does,
            f"{row.health_without_answer:.0f}",
        )
        for row in apart.head(_SHOWN).fillna({"owner": "", "segment": ""}).itertuples()
    ]
    more = f", the first {_SHOWN} of {len(apart):,}" if len(apart) > _SHOWN else ""
    header = ("account", "owner", "segment", "says", "answer", "does", "health without it")
    print_table(header, rows, title=f"Says one thing and does another{more}")


def _counts(found: pd.DataFrame) -> list[tuple[object, ...]]:
    from churnfit.lifecycle.perception import CONTENT, DISCONTENT, NEUTRAL, SILENT

    pairs = list(zip(found["says"], found["does"], strict=True))
    return [
        (says, *(f"{pairs.count((says, does)):,}" for does in _DOES)) for says in (CONTENT, NEUTRAL, DISCONTENT, SILENT)
    ]
