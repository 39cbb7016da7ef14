"""show, list, diff, shadow, promote, rollback: which version is the champion."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from churnfit.cli.app import AsJson, AsOf, By, CardOption, Reference, app, day, opened
from churnfit.cli.output import print_document, print_lines, print_table, print_text, progress
from churnfit.errors import UsageError

__all__ = ["diff", "list_versions", "promote", "rollback", "shadow", "show"]


@app.command()
def show(reference: Reference = "champion", card: CardOption = None, as_json: AsJson = False) -> None:
    """Print a version: its card and the verdict of its gates."""
    from churnfit.jobs.promotion import load
    from churnfit.scorecard.render import to_text

    workspace, name = opened(card)
    version, found = load(workspace, name, reference)
    if as_json:
        print_text(found.to_json())
        return
    print_lines(to_text(found))
    if version is not None:
        print_lines(workspace.registry().text(version, "gates.txt"))


@app.command("list")
def list_versions(card: CardOption = None, as_json: AsJson = False) -> None:
    """Print the card's candidates and promoted versions."""
    workspace, name = opened(card)
    versions = workspace.registry().versions(name)
    if as_json:
        print_document(card=name, versions=[{**asdict(v), "reference": v.reference} for v in versions])
        return
    rows = [
        (
            v.reference,
            "champion" if v.is_champion else "",
            "passed" if v.gates_passed else "refused",
            v.promoted_from,
            v.reason,
            v.created_at,
            v.sha256[:12],
        )
        for v in versions
    ]
    print_table(("version", "", "gates", "from", "reason", "created", "sha256"), rows, title=name)


@app.command()
def diff(before: Reference, after: Reference = "latest", card: CardOption = None, as_json: AsJson = False) -> None:
    """Print what changed between two versions, in words."""
    from churnfit.jobs.promotion import differences

    workspace, name = opened(card)
    changes = differences(workspace, name, before, after)
    if as_json:
        print_document(before=before, after=after, changes=changes)
    else:
        print_lines(*(changes or ["no difference"]))


@app.command()
def promote(
    reference: Annotated[str, typer.Argument(help="latest or candidate-N.")] = "latest",
    card: CardOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this the plan is printed.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for it; somebody else applies it.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger. Needed with --apply and --ask.")] = "",
    by: By = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan", help="Apply this plan, or nothing: exit code 3 when it is stale.")
    ] = None,
    weeks: Annotated[int, typer.Option(min=0, max=104, help="Weekly dates that the plan replays; 0: none.")] = 4,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Last date of the replay; the newest scored.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what promoting a candidate would change, over the last weeks too; with --apply, make it the champion."""
    from churnfit.cli.summary import plan_lines
    from churnfit.jobs import promotion

    workspace, name = opened(card)
    if ask and apply:
        raise UsageError(
            "CF703",
            where="promote",
            expected="--ask or --apply",
            came="both",
            fix="Ask first; somebody else applies it where a second person is demanded.",
        )
    if ask or apply:
        _need(reason, "--reason")
    if ask:
        row = promotion.ask(workspace, name, reference, reason=reason, by=by)
        print_lines(f"{name}: {row.done_by} asks for {row.candidate}; another promotes it with --apply --reason '...'")
        return
    if apply:
        version = promotion.promote(workspace, name, reference, reason=reason, by=by, plan_id=plan_id)
        print_lines(f"{name}: {version.reference} (from {version.promoted_from}) is the champion")
        return
    until = None if as_of is None else day(as_of)
    with progress(weeks) as say:
        plan = promotion.plan_promotion(workspace, name, reference, until=until, weeks=weeks, say=say)
    if as_json:
        print_document(card=name, open=plan.open, **_by_text(asdict(plan)))
    else:
        print_lines(*plan_lines(plan, workspace.spec(name)))
    raise typer.Exit(0 if plan.open else 1)


@app.command()
def shadow(
    reference: Annotated[str, typer.Argument(help="latest or candidate-N.")] = "latest",
    card: CardOption = None,
    since: Annotated[str | None, typer.Option(help="The first night, YYYY-MM-DD; all by default.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show a candidate beside the champion on the published nights, and on what came of them; nothing is written."""
    from churnfit.cli.summary import shadow_lines
    from churnfit.evaluation.prose import json_safe
    from churnfit.jobs.shadowing import shadow as compare

    workspace, name = opened(card)
    first = None if since is None else day(since).date()
    with progress(2) as say:
        found = compare(workspace, name, reference, since=first, as_of=day(as_of), say=say)
    if as_json:
        print_document(card=name, **_by_text(json_safe(found)))
    else:
        print_lines(*shadow_lines(found, workspace.spec(name)))


@app.command()
def rollback(
    card: CardOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this nothing changes.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "rolled back",
    by: By = None,
) -> None:
    """Make the version that the champion replaced the champion again, once it scores as it did."""
    from churnfit.jobs.promotion import rollback as go_back
    from churnfit.registry.moves import predecessor

    workspace, name = opened(card)
    if not apply:
        registry = workspace.registry()
        champion, earlier = registry.resolve(name, "champion"), predecessor(registry, name)
        print_lines(f"{name}: {champion.reference} would give way to {earlier.reference}. To do it: add --apply")
        return
    version, canary = go_back(workspace, name, reason=reason, by=by)
    print_lines(f"{name}: {version.reference} is the champion again; {canary}")


def _by_text(content: Any) -> Any:
    """Return `content` with dates as the keys of a JSON object: text."""
    if isinstance(content, dict):
        return {str(name): _by_text(part) for name, part in content.items()}
    return content


def _need(value: str, option: str) -> None:
    if not value.strip():
        raise UsageError("CF703", where="promote --apply", expected=option, came="none", fix="Say why, in a sentence.")
