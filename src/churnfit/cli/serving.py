"""snapshot, score, score-file, runs, explain, export: the champion at work."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from churnfit.cli.app import AsJson, AsOf, CardOption, app, calendar_date, day, opened
from churnfit.cli.log import record
from churnfit.cli.output import print_document, print_lines, print_table, progress
from churnfit.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from churnfit.jobs.metrics import Watch
    from churnfit.jobs.scoring import ScoringResult
    from churnfit.jobs.workspace import Workspace
    from churnfit.scorecard.sql import Dialect

__all__ = ["explain", "export", "runs", "score", "score_file", "snapshot"]


@app.command()
def snapshot(
    output: Annotated[Path, typer.Argument(help="A .parquet file to write.")],
    card: CardOption = None,
    as_of: AsOf = None,
) -> None:
    """Write every measure of every account of the stage, as known on a date."""
    from churnfit.files import refuse_existing, write_parquet
    from churnfit.jobs.scoring import scoring_snapshot

    refuse_existing(output)
    if output.suffix != ".parquet":
        raise UsageError(
            "CF703", where=str(output), expected="a name ending in .parquet", came=output.suffix, fix="Rename it."
        )
    workspace, name = opened(card)
    measured = scoring_snapshot(workspace, workspace.spec(name), as_of=day(as_of))
    write_parquet(measured, output)
    print_lines(f"{output}: {len(measured):,} accounts")


@app.command()
def score(
    card: CardOption = None,
    as_of: AsOf = None,
    first: Annotated[str | None, typer.Option("--from", help="With --to: every date of a range, in order.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last date of the range.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Of the range every so many days.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    metrics: Annotated[Path | None, typer.Option(help="A .prom file to write, for Prometheus.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score every account of the stage with the champion; fill and close calls to action, once."""
    from churnfit.jobs.metrics import Watch
    from churnfit.jobs.scoring import score as run

    workspace, name = opened(card)
    watch = Watch(workspace, name, given=metrics)
    if first is not None or last is not None:
        days = _range(first, last, every=every, alone=as_of is None and not dry_run)
        _backfill(workspace, name, days, watch=watch, as_json=as_json)
        return
    with progress(3) as say:
        result = run(workspace, name, as_of=day(as_of), say=say, dry_run=dry_run)
    if not dry_run:
        watch.write(result)
    _log(result, dry_run=dry_run)
    if as_json:
        print_document(run=asdict(result.run), bands=result.bands, published=result.published, dry_run=dry_run)
        return
    print_lines(_said(name, result, dry_run=dry_run))


def _range(first: str | None, last: str | None, *, every: int, alone: bool) -> list[pd.Timestamp]:
    from churnfit.jobs.backfill import dates

    if first is None or last is None or not alone:
        raise UsageError(
            "CF703",
            where="--from, --to",
            expected="both, without --as-of and --dry-run",
            came="one alone, or one of these",
            fix="Give --from D --to D; a dry run is of one date.",
        )
    return dates(day(first), day(last), every_days=every)


def _backfill(workspace: Workspace, name: str, days: list[pd.Timestamp], *, watch: Watch, as_json: bool) -> None:
    """Score date by date; lines come as dates are done, the JSON document at the end."""
    from churnfit.jobs.backfill import backfill

    done = []
    with progress(3 * len(days)) as say:
        for result in backfill(workspace, name, days, say=say):
            watch.write(result)
            _log(result, dry_run=False)
            done.append({"run": asdict(result.run), "bands": result.bands, "published": result.published})
            if not as_json:
                print_lines(_said(name, result, dry_run=False))
    if as_json:
        print_document(runs=done)


def _log(result: ScoringResult, *, dry_run: bool) -> None:
    run = result.run
    record(
        "Scored before" if result.known else "Would score" if dry_run else "Scored",
        card=run.card,
        as_of=run.as_of.isoformat(),
        run_key=run.run_key,
        version=run.version,
        accounts=run.accounts,
        set_aside=run.set_aside,
        faulty_rows=run.faulty_rows,
        opened=run.opened,
        resolved=run.resolved,
        held_out=run.held_out,
        red=result.bands["red"],
        amber=result.bands["amber"],
        green=result.bands["green"],
    )


def _said(name: str, result: ScoringResult, *, dry_run: bool) -> str:
    bands = ", ".join(f"{count:,} {band}" for band, count in result.bands.items())
    moved = f"{result.run.opened} CTAs opened, {result.run.resolved} resolved"
    if result.run.held_out:
        moved += f", {result.run.held_out} held out"
    if result.known:
        moved = "published before, nothing to do"
    elif dry_run:
        moved = f"dry run, nothing was written; it would be {moved}"
    if result.run.faulty_rows:
        moved += f"; {result.run.faulty_rows:,} faulty rows, {result.run.set_aside:,} accounts set aside"
    return f"{name} on {result.run.as_of}: {result.run.accounts:,} accounts with {result.run.version}: {bands}; {moved}"


@app.command()
def runs(card: CardOption = None, as_json: AsJson = False) -> None:
    """Print the published scoring runs, oldest first."""
    from churnfit.jobs.scoring import published_runs

    workspace, name = opened(card)
    rows = published_runs(workspace, name)
    if as_json:
        print_document(card=name, runs=[asdict(row) for row in rows])
        return
    table = [
        (r.as_of, r.version, f"{r.accounts:,}", f"{r.set_aside:,}", r.opened, r.resolved, r.held_out, r.run_key)
        for r in rows
    ]
    header = ("as of", "version", "accounts", "set aside", "opened", "resolved", "held out", "run")
    print_table(header, table, title=name)


@app.command("score-file")
def score_file(
    source: Annotated[Path, typer.Argument(help="A Parquet snapshot, as `churnfit snapshot` writes it.")],
    target: Annotated[Path, typer.Argument(help="A .parquet file to write.")],
    version: Annotated[str, typer.Option("--version", help="As in `show`.")] = "champion",
    card: CardOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Score a Parquet snapshot of any length into a Parquet table with reasons in words; nothing is published."""
    from churnfit.jobs.promotion import load
    from churnfit.scoring.score_file import score_file as write

    workspace, name = opened(card)
    done = write(load(workspace, name, version)[1], source, target=target, replace=replace)
    print_lines(f"{target}: {done.rows:,} accounts, {', '.join(f'{n:,} {band}' for band, n in done.bands.items())}")


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="account_id")],
    card: CardOption = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A scored date; the newest when absent.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="A scored date: what moved it from there?")] = None,
    as_json: AsJson = False,
) -> None:
    """Print why an account has its health score: every measure's exact share; and since when what moved it."""
    from churnfit.cli.summary import change_lines, explanation_lines
    from churnfit.jobs.explaining import explain as reasons
    from churnfit.jobs.explaining import explain_change

    workspace, name = opened(card)
    date = day(as_of).date() if as_of else None
    found = reasons(workspace, name, account, as_of=date)
    earlier = calendar_date(since, where="--since").date() if since else None
    changed = explain_change(workspace, name, account, since=earlier, as_of=date) if earlier else None
    if as_json:
        document = {
            "score": found.score,
            "expected_health": found.expected_health,
            "override": None if found.override is None else asdict(found.override),
        }
        if changed:
            document |= {"before": changed.before, "changes": changed.changes.to_dict("records")}
        print_document(**document, reasons=found.reasons.to_dict("records"))
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
    if changed:
        print_lines("", *change_lines(changed))


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="queue, scores (of the newest run), interventions, or sql: a card.")],
    output: Annotated[Path, typer.Argument(help="A file ending in .csv, .jsonl or .parquet; for sql, in .sql.")],
    card: CardOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file if it is there.")] = False,
    dialect: Annotated[str, typer.Option(help="Of sql: duckdb, postgres, spark, snowflake or bigquery.")] = "duckdb",
    version: Annotated[str, typer.Option("--version", help="Of sql: which version, as in `show`.")] = "champion",
    relation: Annotated[str, typer.Option("--from", help="Of sql: the table of measures.")] = "snapshot",
) -> None:
    """Write the queue, the newest scores, what was done about CTAs, or the card's query; CSV cells cannot run."""
    from churnfit.jobs import exports

    workspace, name = opened(card)
    if table == "sql":
        exports.export_sql(
            workspace, name, output, dialect=_dialect(dialect), reference=version, table=relation, replace=replace
        )
        print_lines(f"{output}: {dialect}")
        return
    known: dict[str, exports.Table] = {name: name for name in get_args(exports.Table)}
    if table not in known:
        expected = f"one of {', '.join(known)}, sql"
        raise UsageError("CF703", where="export", expected=expected, came=table, fix="Give one of them.")
    rows = exports.export(workspace, name, known[table], output, replace=replace)
    print_lines(f"{output}: {rows:,} rows")


def _dialect(given: str) -> Dialect:
    from churnfit.scorecard.sql import DIALECTS

    for dialect in DIALECTS:
        if dialect == given:
            return dialect
    raise UsageError("CF703", where="--dialect", expected=", ".join(DIALECTS), came=given, fix="Give one of them.")
