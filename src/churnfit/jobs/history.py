"""A card's history: its sources opened, checked, labelled and measured, for learning and for looking."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from churnfit.errors import DataError, SpecError
from churnfit.evaluation.patterns import early_patterns
from churnfit.evaluation.profile import LABEL_STATUS, profile_page
from churnfit.files import by_ending, refuse_existing, write_text
from churnfit.history.checks import Finding, check_sources, require_clean
from churnfit.history.cohort import landmark_grid, newest_fact
from churnfit.history.labels import labels, ledger
from churnfit.history.leaks.sentinel import leaks
from churnfit.history.snapshot import Engine, snapshot, snapshot_hash
from churnfit.history.sources import CONSTANT_AS_OF, open_sources
from churnfit.jobs.interventions import interventions
from churnfit.jobs.workspace import Workspace
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Say",
    "TrainingSet",
    "answered",
    "check",
    "label_ledger",
    "labelled",
    "now",
    "patterns",
    "training_set",
    "write_profile",
]

Say: TypeAlias = Callable[[str], None]
"""Told the name of each step as it begins."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Matured snapshot rows with their labels, and the label of every row.

    `rows`: the snapshot's columns, ``started_at``, ``churned`` (0/1) and ``weight``. `leaks`: what the sentinel warns
    of, in words.
    """

    rows: pd.DataFrame
    answers: pd.DataFrame
    sha256: str
    leaks: tuple[str, ...] = ()

    @property
    def dated(self) -> bool:
        """Whether the rows have dates at all; those of a plain table do not."""
        return not self.answers["as_of"].eq(pd.Timestamp(CONSTANT_AS_OF)).all()

    @property
    def maturing(self) -> pd.DataFrame:
        """account_id and matures_on of the rows whose label is not known yet."""
        return self.answers.loc[self.answers["status"] == "immature", ["account_id", "matures_on"]]


def check(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> list[Finding]:
    """Return every finding in the card's sources, errors first.

    What keeps the sources from being opened comes alone: nothing more can be seen. Leaks are looked for once the tables
    keep their contracts, in the rows that would train.
    """
    spec = workspace.spec(card)
    try:
        with _opened(workspace, spec) as con:
            findings = check_sources(con, spec, observed_to=max(as_of, now()))
            if all(finding.severity == "warning" or finding.code == "CF109" for finding in findings):
                found, observed_to = _labelled(con, spec, as_of)
                rows = _training_rows(con, spec, found, workspace.engine(spec))
                findings += leaks(con, spec, rows, observed_to=observed_to)
    except (DataError, SpecError) as fault:
        findings = [Finding(severity="error", **each.as_dict()) for each in (fault, *fault.also)]
    return sorted(findings, key=lambda finding: (finding.severity, finding.code, finding.where))


def write_profile(workspace: Workspace, card: str, path: Path, *, as_of: pd.Timestamp) -> None:
    """Write what the measures look like, cohort by cohort, to `path`, one HTML page.

    Raises
    ------
    UsageError
        CF703 when `path` does not end in .html, CF506 when it is there already.
    DataError
        The first error of `check`; CF110 when no account has been in the stage.
    """
    by_ending(path, {".html": "html"})
    refuse_existing(path)
    spec = workspace.spec(card)
    with _opened(workspace, spec) as con:
        require_clean(check_sources(con, spec, observed_to=max(as_of, now())))
        answers, observed_to = _labelled(con, spec, as_of)
        # a look at a day that the sources do not know yet would show accounts falling silent
        there = answers[(answers["status"] != "excluded") & (answers["as_of"] <= observed_to)]
        measured = snapshot(con, spec, there[["account_id", "as_of"]], engine=workspace.engine(spec))
    if measured.empty:
        raise DataError(
            "CF110",
            where="the training cohort",
            expected="accounts that were in the stage on a landmark day",
            came=f"0 of {len(answers):,} rows",
            fix="Wait, or correct cohort.landmark_days.",
        )
    known = there[["account_id", "as_of", "cohort", "status", "churned"]].rename(columns={"status": LABEL_STATUS})
    rows = measured.merge(known, on=["account_id", "as_of"])
    write_text(profile_page(rows, spec), path)


def label_ledger(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the label of every training row, and the ledger per cohort."""
    spec = workspace.spec(card)
    with _opened(workspace, spec) as con:
        found, _ = _labelled(con, spec, as_of)
    return found, ledger(found)


def answered(workspace: Workspace, spec: ScorecardSpec, rows: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return those of `rows` (account_id, as_of) whose label is known, treated or not, with ``churned`` (0 or 1)."""
    found = labelled(workspace, spec, rows, as_of=as_of)
    known = found[found["status"].isin(("matured", "treated"))]
    return known[["account_id", "as_of", "churned"]].astype({"churned": "int64"})


def training_set(workspace: Workspace, card: str, *, as_of: pd.Timestamp, say: Say = lambda _: None) -> TrainingSet:
    """Return the matured rows, measured and labelled.

    Raises
    ------
    DataError
        The first error of `check`; CF110 when no row has matured, with the date the first will.
    """
    spec = workspace.spec(card)
    with _opened(workspace, spec) as con:
        say("Checking the tables")
        require_clean(check_sources(con, spec, observed_to=max(as_of, now())))
        say("Labelling the cohort")
        found, observed_to = _labelled(con, spec, as_of)
        if not (found["status"] == "matured").any():
            first = found.loc[found["status"] == "immature", "matures_on"].min()
            when = f"the first matures on {first:%Y-%m-%d}" if pd.notna(first) else "none is maturing"
            raise DataError(
                "CF110",
                where="the training cohort",
                expected="rows whose horizon is over",
                came=f"0 matured of {len(found):,} rows; {when}",
                fix="Wait, or shorten cohort.horizon_days.",
            )
        say("Measuring what was known on each date")
        rows = _training_rows(con, spec, found, workspace.engine(spec, say))
        say("Looking for leaks")
        leaking = leaks(con, spec, rows, observed_to=observed_to)
        require_clean(leaking)
    warnings = tuple(f"{finding.code} {finding.where}: {finding.came}" for finding in leaking)
    return TrainingSet(rows=rows, answers=found, sha256=snapshot_hash(rows), leaks=warnings)


def patterns(workspace: Workspace, card: str, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return how churned and other accounts differed on each landmark day, as `churnfit.evaluation.patterns` has it.

    Raises
    ------
    DataError
        As `training_set`.
    """
    return early_patterns(training_set(workspace, card, as_of=as_of).rows, workspace.spec(card))


def labelled(workspace: Workspace, spec: ScorecardSpec, grid: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the label of every row of `grid` (account_id, as_of), as `churnfit.history.labels.labels` has it."""
    with _opened(workspace, spec) as con:
        return labels(con, spec, grid, observed_to=_observed_to(con, spec, as_of))


def _opened(workspace: Workspace, spec: ScorecardSpec) -> AbstractContextManager[DuckDBPyConnection]:
    """Open the sources together with what was done about the card's own CTAs so far."""
    own = interventions(workspace, spec.name)
    done = own[own["at"] <= now()]  # a day scored ahead is no fact yet
    return open_sources(spec, workspace.root, interventions=done, summary=workspace.summary(spec))


def _labelled(con: DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Return the label of every row of the training grid, and the moment up to which the sources know everything."""
    observed_to = _observed_to(con, spec, as_of)
    return labels(con, spec, landmark_grid(con, spec), observed_to=observed_to), observed_to


def _training_rows(con: DuckDBPyConnection, spec: ScorecardSpec, found: pd.DataFrame, engine: Engine) -> pd.DataFrame:
    """Return the matured rows of the labels `found`, measured; with ``churned``, ``weight`` and ``started_at``."""
    answers = found.loc[found["status"] == "matured", ["account_id", "as_of", "churned", "weight"]]
    measured = snapshot(con, spec, answers[["account_id", "as_of"]], engine=engine)
    rows = measured.merge(answers, on=["account_id", "as_of"], validate="1:1")
    rows["churned"] = rows["churned"].astype("int64")
    began = rows["as_of"] - pd.to_timedelta(rows["stage_day"], unit="D")
    rows["started_at"] = began.groupby(rows["account_id"]).transform("min")  # one moment per account, panels included
    return rows


def now() -> pd.Timestamp:
    """Return the present moment: dates after it are faults, dates after a past as_of are only not looked at."""
    return pd.Timestamp.now(tz="UTC")


def _observed_to(con: DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> pd.Timestamp:
    """Return the moment up to which the sources know everything: the spec's last day or else the newest fact's."""
    if spec.cohort.observed_to is not None:
        return min(as_of, pd.Timestamp(spec.cohort.observed_to, tz="UTC") + pd.Timedelta(days=1))
    newest = newest_fact(con, spec)
    return as_of if newest is None else min(as_of, newest)
