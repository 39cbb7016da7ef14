"""The verbs. Each parses its arguments, calls one job, prints what it made."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnfit import __version__
from churnfit.cli.output import print_document, print_error, print_lines, print_table, print_text, progress
from churnfit.errors import CODES, ChurnfitError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from churnfit.jobs.workspace import Workspace

__all__ = ["app", "main", "run"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Health scorecards learned from churn history, with exact reasons and a call-to-action queue.",
)

_BUG = 70
_INTERRUPTED = 130

CardOption = Annotated[str | None, typer.Option("--card", help="Which card; needed when the workspace has several.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="UTC date, YYYY-MM-DD; today when absent.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Reference = Annotated[
    str, typer.Argument(help="champion, latest, candidate-N, version-N, or a scorecard's .json file.")
]


def _version(wanted: bool) -> None:
    if wanted:
        print_lines(f"churnfit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Options of every command; ``--debug`` is read by `main`."""


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where; made if it is not there.")] = Path()) -> None:
    """Write a churnfit.toml and two commented specs to start from."""
    from churnfit.jobs.starting import init as make

    print_lines(*(str(path) for path in make(folder)))


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo's workspace goes.")] = Path("churnfit-demo"),
    accounts: Annotated[int, typer.Option(min=300, max=20_000, help="How many accounts to simulate.")] = 1200,
) -> None:
    """Simulate a history and go the whole way: fit, judge, promote, score, queue."""
    from churnfit.cli.summary import demo_summary
    from churnfit.jobs.starting import demo as run

    with progress(9) as say:
        result = run(folder, say=say, accounts=accounts)
    print_lines(*demo_summary(result))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at Python, packages, the workspace and its stores; exit 1 when something is not well."""
    from churnfit.jobs.doctor import examine

    found = examine(Path())
    if as_json:
        print_document(looked_at=[asdict(item) for item in found])
    else:
        print_table(("what", "", "found"), [(h.what, "well" if h.well else "NOT WELL", h.found) for h in found])
    raise typer.Exit(0 if all(item.well for item in found) else 1)


@app.command()
def check(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Hold the sources against their contracts: every fault at once; exit 1 when one is an error."""
    from churnfit.jobs.training import check as find

    workspace, name = _workspace(card)
    findings = find(workspace, name, as_of=_day(as_of))
    if as_json:
        print_document(card=name, findings=[asdict(finding) for finding in findings])
    elif findings:
        rows = [(f.severity, f.code, f.where, f.expected, f.came, f.fix) for f in findings]
        print_table(("", "code", "where", "expected", "came", "do"), rows)
    else:
        print_lines(f"{name}: the sources keep their contracts")
    raise typer.Exit(1 if any(finding.severity == "error" for finding in findings) else 0)


@app.command()
def snapshot(
    output: Annotated[Path, typer.Argument(help="A .parquet file to write.")],
    card: CardOption = None,
    as_of: AsOf = None,
) -> None:
    """Write every measure of every account of the stage, as known on a date."""
    from churnfit.jobs.scoring import scoring_snapshot
    from churnfit.parquet import write_parquet

    workspace, name = _workspace(card)
    measured = scoring_snapshot(workspace, workspace.spec(name), as_of=_day(as_of))
    write_parquet(measured, output)
    print_lines(f"{output}: {len(measured):,} accounts")


@app.command()
def labels(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print the label ledger: per cohort what is matured, maturing (until when), treated, excluded."""
    from churnfit.jobs.training import label_ledger

    workspace, name = _workspace(card)
    _, table = label_ledger(workspace, name, as_of=_day(as_of))
    _print_frame(table, key="cohorts", as_json=as_json, title=f"{name}: labels per cohort")


@app.command()
def fit(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Learn a candidate, judge it, register it; exit 1 when a gate says no."""
    from churnfit.jobs.training import fit as learn
    from churnfit.scorecard.render import to_text

    workspace, name = _workspace(card)
    with progress(5) as say:
        result = learn(workspace, name, as_of=_day(as_of), say=say)
    if as_json:
        print_document(version=asdict(result.version), report=result.report.as_dict(), verdict=result.verdict.as_dict())
    else:
        print_lines(to_text(result.card), result.report.to_text(), result.verdict.to_text())
        next_step = f"churnfit promote {result.version.reference} --card {name}" if result.verdict.passed else ""
        print_lines(f"Registered as {result.version.reference}. {'Next: ' + next_step if next_step else ''}".rstrip())
    raise typer.Exit(0 if result.verdict.passed else 1)


@app.command()
def show(reference: Reference = "champion", card: CardOption = None, as_json: AsJson = False) -> None:
    """Print a version: its card and the verdict of its gates."""
    from churnfit.jobs.promotion import load
    from churnfit.scorecard.render import to_text

    workspace, name = _workspace(card)
    version, found = load(workspace, name, reference)
    if as_json:
        print_text(found.to_json())
        return
    print_lines(to_text(found))
    if version is not None:
        print_lines(workspace.registry().text(version, "gates.md"))


@app.command("list")
def list_versions(card: CardOption = None, as_json: AsJson = False) -> None:
    """Print the card's candidates and promoted versions."""
    workspace, name = _workspace(card)
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

    workspace, name = _workspace(card)
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
    reason: Annotated[str, typer.Option(help="Why; kept with the version. Needed with --apply.")] = "",
) -> None:
    """Show what promoting a candidate would change; with --apply, make it the champion."""
    from churnfit.jobs.promotion import plan_promotion
    from churnfit.jobs.promotion import promote as make_champion

    workspace, name = _workspace(card)
    if apply:
        _need(reason, "--reason")
        version = make_champion(workspace, name, reference, reason=reason)
        print_lines(f"{name}: {version.reference} (from {version.promoted_from}) is the champion")
        return
    plan = plan_promotion(workspace, name, reference)
    replaced = plan.champion.reference if plan.champion else "nothing"
    print_lines(f"{name}: {plan.candidate.reference} would replace {replaced}", *plan.changes, "", plan.gates)
    print_lines("Nothing was changed. To do it: add --apply --reason '...'")


@app.command()
def rollback(
    card: CardOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this nothing changes.")] = False,
) -> None:
    """Make the version that the champion replaced the champion again."""
    from churnfit.jobs.promotion import rollback as go_back

    workspace, name = _workspace(card)
    if not apply:
        champion = workspace.registry().resolve(name, "champion")
        print_lines(f"{name}: {champion.reference} would give way to its predecessor. To do it: add --apply")
        return
    print_lines(f"{name}: {go_back(workspace, name).reference} is the champion again")


@app.command()
def score(
    card: CardOption = None,
    as_of: AsOf = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score every account of the stage with the champion; fill and close calls to action, once."""
    from churnfit.jobs.scoring import score as run

    workspace, name = _workspace(card)
    with progress(3) as say:
        result = run(workspace, name, as_of=_day(as_of), say=say, dry_run=dry_run)
    if as_json:
        print_document(run=asdict(result.run), bands=result.bands, published=result.published, dry_run=dry_run)
        return
    done = (
        "dry run, nothing was written"
        if dry_run
        else "published"
        if result.published
        else "published before, nothing to do"
    )
    bands = ", ".join(f"{count:,} {band}" for band, count in result.bands.items())
    print_lines(
        f"{name} on {result.run.as_of}: {result.run.accounts:,} accounts with {result.run.version}: {bands}; "
        f"{result.run.opened} CTAs opened, {result.run.resolved} resolved ({done})"
    )


@app.command()
def runs(card: CardOption = None, as_json: AsJson = False) -> None:
    """Print the published scoring runs, oldest first."""
    from churnfit.jobs.scoring import published_runs

    workspace, name = _workspace(card)
    rows = published_runs(workspace, name)
    if as_json:
        print_document(card=name, runs=[asdict(row) for row in rows])
        return
    table = [(r.as_of, r.version, f"{r.accounts:,}", r.opened, r.resolved, r.run_key) for r in rows]
    print_table(("as of", "version", "accounts", "opened", "resolved", "run"), table, title=name)


@app.command()
def queue(
    card: CardOption = None,
    owner: Annotated[str | None, typer.Option(help="One owner's queue.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the open calls to action, most valuable first, with their reasons."""
    from churnfit.cli.summary import queue_lines
    from churnfit.jobs.exports import queue_frame
    from churnfit.jobs.scoring import queue as ranked

    workspace, name = _workspace(card)
    if as_json:
        print_document(card=name, ctas=queue_frame(workspace, name, owner=owner).to_dict("records"))
        return
    print_lines(*queue_lines(ranked(workspace, name, owner=owner), workspace.spec(name)))


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="account_id")],
    card: CardOption = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A scored date; the newest when absent.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print why an account has its health score: every measure's exact share."""
    from churnfit.cli.summary import explanation_lines
    from churnfit.jobs.scoring import explain as reasons

    workspace, name = _workspace(card)
    found = reasons(workspace, name, account, as_of=_day(as_of).date() if as_of else None)
    if as_json:
        print_document(
            score=found.score, expected_health=found.expected_health, reasons=found.reasons.to_dict("records")
        )
        return
    print_lines(*explanation_lines(found))
    header = ("#", "measure", "value", "healthy", "health points", "probability")
    rows = [
        (
            r["rank"],
            r["label"],
            r["value"],
            r["healthy"],
            f"{r['health_points']:+.2f}",
            f"{100 * r['probability_points']:+.1f} %",
        )
        for r in found.reasons.to_dict("records")
    ]
    print_table(header, rows)


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="queue or scores (of the newest run).")],
    output: Annotated[Path, typer.Argument(help="A file ending in .csv, .jsonl or .parquet.")],
    card: CardOption = None,
) -> None:
    """Write the queue or the newest scores to a file; CSV cells cannot run as formulas."""
    from churnfit.jobs.exports import export as write

    if table not in ("queue", "scores"):
        raise UsageError("CF703", where="export", expected="queue or scores", came=table, fix="Give one of the two.")
    workspace, name = _workspace(card)
    rows = write(workspace, name, "queue" if table == "queue" else "scores", output)
    print_lines(f"{output}: {rows:,} rows")


@app.command("explain-code")
def explain_code(code: Annotated[str, typer.Argument(help="As in an error, for example CF104.")]) -> None:
    """Explain an error code."""
    if code not in CODES:
        raise UsageError(
            "CF703",
            where="explain-code",
            expected="a code of an error",
            came=code,
            fix=f"Known codes: {', '.join(sorted(CODES))}.",
        )
    print_lines(f"{code}: {CODES[code]}")


def run(*arguments: str) -> int:
    """Run one command; return the exit code that DESIGN §15 gives its kind of end."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        app(args=list(arguments), prog_name="churnfit")
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer turned Ctrl-C into this
            print("Interrupted; nothing was left half-written.", file=sys.stderr)  # noqa: T201
        return int(end.code or 0)
    except ChurnfitError as fault:
        print_error(fault, as_json=as_json)
        if debug:
            raise
        return fault.exit_code
    except Exception as fault:
        if debug:
            raise
        print(f"A bug in churnfit: {fault!r}. Run `churnfit --debug …` for the traceback.", file=sys.stderr)  # noqa: T201
        return _BUG
    return 0


def main() -> None:
    """Run the command line."""
    sys.exit(run(*sys.argv[1:]))


def _workspace(card: str | None) -> tuple[Workspace, str]:
    from churnfit.jobs.workspace import find_workspace

    workspace = find_workspace(Path())
    return workspace, workspace.card_name(card)


def _day(as_of: str | None) -> pd.Timestamp:
    import pandas as pd

    if as_of is None:
        return pd.Timestamp(datetime.now(tz=UTC).date(), tz="UTC")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", as_of):
        raise UsageError("CF703", where="--as-of", expected="a date YYYY-MM-DD", came=as_of, fix="Give a UTC date.")
    try:
        return pd.Timestamp(as_of, tz="UTC")
    except ValueError:
        raise UsageError(
            "CF703", where="--as-of", expected="a date of the calendar", came=as_of, fix="Correct it."
        ) from None


def _need(value: str, option: str) -> None:
    if not value.strip():
        raise UsageError("CF703", where="promote --apply", expected=option, came="none", fix="Say why, in a sentence.")


def _print_frame(frame: pd.DataFrame, *, key: str, as_json: bool, title: str) -> None:
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if as_json:
        print_document(**{key: records})
        return
    rows = [["" if value is None else _short(value) for value in record.values()] for record in records]
    print_table([str(column).replace("_", " ") for column in frame.columns], rows, title=title)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else str(value)
