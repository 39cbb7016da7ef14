"""outcomes, outcomes import: what came of the calls to action."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from churnfit.cli.app import AsJson, AsOf, By, CardOption, app, day, is_handed_on, opened
from churnfit.cli.output import print_document, print_lines, print_table
from churnfit.errors import DataError

__all__ = ["counted", "read"]

outcomes = typer.Typer(help="Count what came of the calls to action; import outcomes from a table.")
app.add_typer(outcomes, name="outcomes")


@outcomes.callback(invoke_without_command=True)
def counted(context: typer.Context, card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print how many calls to action ended how, and what they saved, per playbook and reason; `import` is below."""
    from churnfit.evaluation.prose import percent
    from churnfit.evaluation.save_rates import contradicts
    from churnfit.jobs.outcomes import outcome_counts, save_rates

    if is_handed_on(context, card=card, as_of=as_of, as_json=as_json):
        return
    workspace, name = opened(card)
    counts, saved = outcome_counts(workspace, name), save_rates(workspace, name, as_of=day(as_of))
    if as_json:
        print_document(card=name, outcomes=counts.to_dict("records"), save_rates=saved.to_dict("records"))
        return
    rows = [tuple(row) for row in counts.itertuples(index=False)]
    print_table([str(column).replace("_", " ") for column in counts.columns], rows, title=name)
    compared = saved.to_dict("records")
    if compared:
        title = f"{name}: accounts in the queue beside those held out, 90 % intervals"
        print_table(_SAVED, [_said(row) for row in compared], title=title)
    idle = [
        row
        for row in compared
        if row["verdict"] in ("does nothing", "does harm") and row["playbook"] and not row["reason"]
    ]
    print_lines(*(f"Playbook {row['playbook']} {row['verdict']}: {_range(row, 'save_rate')} saved." for row in idle))
    expected = workspace.spec(name).bands.red.save_rate
    if contradicts(saved, expected):
        whole = compared[0]
        print_lines(
            f"The bands count on {percent(expected)} of churners saved; measured: {_range(whole, 'save_rate')}. To cut "
            f"them and rank the queue by that, set red's save_rate to {max(0.0, whole['save_rate']):.2f} in "
            f"{workspace.cards[name]}, then fit."
        )


_SAVED = (
    "playbook", "reason", "queued", "called", "held out", "churn", "churn of held out", "averted", "churners saved",
    "verdict",
)  # fmt: skip


def _said(row: dict[Any, Any]) -> list[object]:
    from churnfit.evaluation.prose import percent

    return [
        row["playbook"] or "all",
        row["reason"] or "all",
        row["queued"],
        row["called"],
        row["held_out"],
        percent(row["churn_queued"]),
        percent(row["churn_held_out"]),
        _range(row, "averted"),
        _range(row, "save_rate"),
        row["verdict"],
    ]


def _range(row: dict[Any, Any], name: str) -> str:
    from churnfit.evaluation.prose import percent

    if row["verdict"] == "too few":
        return ""
    return f"{percent(row[name])} ({percent(row[name + '_low'])} to {percent(row[name + '_high'])})"


@outcomes.command(name="import")
def read(
    table: Annotated[
        Path, typer.Argument(help="A .csv or .parquet: cta_id (or account_id, date), outcome; why, by, when.")
    ],
    card: CardOption = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Close the calls to action that a table names, all or none; the same table again changes nothing."""
    from churnfit.jobs.outcomes import import_outcomes

    workspace, name = opened(card)
    done = import_outcomes(workspace, name, table, by=by)
    if as_json:
        faults = [{"row": number, **fault.as_dict()} for number, fault in done.faults]
        print_document(card=name, rows=done.rows, written=done.written, faults=faults)
    elif done.faults:
        rows = [(number, fault.code, fault.expected, fault.came, fault.fix) for number, fault in done.faults]
        print_table(("row", "code", "expected", "came", "do"), rows, title=f"{table}: nothing was written")
    else:
        print_lines(f"{table}: {done.rows} rows, {done.written} CTAs closed, {done.rows - done.written} were already")
    raise typer.Exit(DataError.exit_code if done.faults else 0)
