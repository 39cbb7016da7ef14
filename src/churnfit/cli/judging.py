"""report, model-card, gates, backtest: how good a card is, what it is for, what it must hold to, and earlier ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from churnfit.cli.app import AsJson, AsOf, CardOption, Reference, app, day, opened
from churnfit.cli.output import print_document, print_lines, print_table, progress

__all__ = ["backtest", "gates", "model_card", "report"]


@app.command()
def report(
    reference: Reference = "latest",
    card: CardOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="A new file ending in .html, .md, .txt or .json to write it to.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the evaluation report of a version, or write it to a file: .html is one page with every figure."""
    from churnfit.jobs.judging import logged_report, write_report

    workspace, name = opened(card)
    if output is not None:
        write_report(workspace, name, reference, output)
        print_lines(str(output))
    elif as_json:
        print_document(**json.loads(logged_report(workspace, name, reference, name="report.json")))
    else:
        print_lines(logged_report(workspace, name, reference))


@app.command("model-card")
def model_card(
    reference: Reference = "latest",
    card: CardOption = None,
    output: Annotated[Path | None, typer.Option("--output", help="A new file ending in .html or .md.")] = None,
) -> None:
    """Print a version's model card as Markdown, or write it: what it is for, for whom it holds, its limits."""
    from churnfit.jobs.judging import MODEL_CARDS, logged_report, write_report

    workspace, name = opened(card)
    if output is not None:
        write_report(workspace, name, reference, output, renderings=MODEL_CARDS)
        print_lines(str(output))
    else:
        print_lines(logged_report(workspace, name, reference, name=MODEL_CARDS[".md"]))


@app.command()
def gates(card: CardOption = None, as_json: AsJson = False) -> None:
    """Print the gates of promotion, what each asks, and its limits in the card's spec."""
    from churnfit.evaluation.gates import GATES

    workspace, name = opened(card)
    given = workspace.spec(name).gates
    limits = {gate.code: {limit: getattr(given, limit) for limit in gate.limits} for gate in GATES}
    if as_json:
        asked = [
            {
                "code": gate.code,
                "gate": gate.title,
                "asks": gate.question,
                "limits": limits[gate.code],
                "waived": given.waived.get(gate.code),
            }
            for gate in GATES
        ]
        print_document(card=name, gates=asked)
        return
    rows = [
        (
            gate.code,
            gate.title,
            gate.question,
            f"waived: {given.waived[gate.code]}" if gate.code in given.waived else _in_words(limits[gate.code]),
        )
        for gate in GATES
    ]
    print_table(("code", "gate", "asks", "limits"), rows, title=f"{name}: gates")


def _in_words(limits: dict[str, object]) -> str:
    return ", ".join(f"{name} = {list(limit) if isinstance(limit, tuple) else limit}" for name, limit in limits.items())


@app.command()
def backtest(
    card: CardOption = None,
    origins: Annotated[
        int | None,
        typer.Option(min=1, max=24, help="How many; each costs one learning. evaluation.origins when absent."),
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Learn at several origins and judge on what came next; exit 1 when no origin can be judged. Registers nothing."""
    from churnfit.jobs.training import backtest as roll

    workspace, name = opened(card)
    with progress(4 + (origins or 1)) as say:
        found = roll(workspace, name, origins=origins, as_of=day(as_of), say=say)
    if as_json:
        print_document(**found.as_dict())
    else:
        print_lines(found.to_text())
    raise typer.Exit(0 if found.pooled else 1)
