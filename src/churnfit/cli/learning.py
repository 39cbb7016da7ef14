"""check, labels, patterns, fit: from the sources to a candidate."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnfit.cli.app import AsJson, AsOf, CardOption, app, day, opened
from churnfit.cli.output import print_document, print_lines, print_table, progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check", "fit", "labels", "patterns"]


Profile = Annotated[
    Path | None,
    typer.Option("--profile", help="Write the measures by cohort, their drift and gaps, to this HTML file."),
]


@app.command()
def check(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False, profile: Profile = None) -> None:
    """Hold the sources against their contracts: every fault at once; exit 1 when one is an error."""
    from churnfit.jobs.history import check as find
    from churnfit.jobs.history import write_profile

    workspace, name = opened(card)
    if profile is not None:
        write_profile(workspace, name, profile, as_of=day(as_of))
    findings = find(workspace, name, as_of=day(as_of))
    if as_json:
        print_document(card=name, findings=[asdict(finding) for finding in findings])
    elif findings:
        rows = [(f.severity, f.code, f.where, f.expected, f.came, f.fix) for f in findings]
        print_table(("", "code", "where", "expected", "came", "do"), rows)
    else:
        print_lines(f"{name}: the sources keep their contracts")
    raise typer.Exit(1 if any(finding.severity == "error" for finding in findings) else 0)


LabelsFile = Annotated[
    Path | None,
    typer.Option("--output", help="Write every row's label and why (.csv, .jsonl, .parquet), or the ledger (.md)."),
]


@app.command()
def labels(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False, output: LabelsFile = None) -> None:
    """Print the label ledger: per cohort what is matured, maturing (until when), treated, excluded."""
    from churnfit.jobs.exports import export_labels
    from churnfit.jobs.history import label_ledger

    workspace, name = opened(card)
    if output is not None:
        export_labels(workspace, name, output, as_of=day(as_of))
        print_lines(f"Wrote {output}")
        return
    _, table = label_ledger(workspace, name, as_of=day(as_of))
    _print_frame(table, key="cohorts", as_json=as_json, title=f"{name}: labels per cohort")


@app.command()
def patterns(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print what already differed early between accounts that churned and the others, the earliest tell first."""
    from churnfit.jobs.history import patterns as found_in

    workspace, name = opened(card)
    found = found_in(workspace, name, as_of=day(as_of))
    if as_json:
        print_document(card=name, patterns=found.to_dict("records"))
        return
    labels = {measure: workspace.spec(name).label_of(measure) for measure in found["measure"].unique()}
    rows = [
        (
            labels[row["measure"]],
            row["stage_day"],
            *(_middle(row, side) for side in ("stayed", "churned")),
            " / ".join("" if math.isnan(gaps) else f"{gaps:.0%}" for gaps in (row["stayed_gaps"], row["churned_gaps"])),
            f"{row['auc']:.2f} ({row['auc_low']:.2f} to {row['auc_high']:.2f})"
            if not math.isnan(row["auc"])
            else "too few",
            "yes" if row["tells"] else "",
        )
        for row in found.to_dict("records")
    ]
    header = ("measure", "day", "stayed", "churned", "no value, stayed / churned", "AUC alone", "tells")
    print_table(header, rows, title=f"{name}: who stayed and who churned, medians and middle halves")


def _middle(row: dict[Hashable, Any], side: str) -> str:
    from churnfit.scorecard.words import number_words

    low, median, high = (row[f"{side}{end}"] for end in ("_low", "", "_high"))
    return "" if math.isnan(median) else f"{number_words(median)} ({number_words(low)} to {number_words(high)})"


@app.command()
def fit(card: CardOption = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Learn a candidate, judge it, register it; exit 1 when a gate says no."""
    from churnfit.jobs.training import fit as learn
    from churnfit.scorecard.render import to_text

    workspace, name = opened(card)
    with progress(9) as say:
        result = learn(workspace, name, as_of=day(as_of), say=say)
    if as_json:
        print_document(version=asdict(result.version), report=result.report.as_dict(), verdict=result.verdict.as_dict())
    else:
        print_lines(to_text(result.card), result.report.to_text(), result.verdict.to_text())
        next_step = f"churnfit promote {result.version.reference} --card {name}" if result.verdict.passed else ""
        print_lines(f"Registered as {result.version.reference}. {'Next: ' + next_step if next_step else ''}".rstrip())
    raise typer.Exit(0 if result.verdict.passed else 1)


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
