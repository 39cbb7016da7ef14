"""score: the champion applied to one date, published once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnfit.cta.overrides import Override
from churnfit.cta.rules import Alert, ScoredAccount, decide
from churnfit.cta.store import RunRow
from churnfit.errors import DataError
from churnfit.files import sweep, write_parquet
from churnfit.history.cohort import moved_on, newest_fact, scoring_grid
from churnfit.history.conditions import overruled_by_rule
from churnfit.history.quarantine import Quarantine, set_aside
from churnfit.history.snapshot import snapshot, snapshot_hash
from churnfit.history.sources import open_sources
from churnfit.jobs.drops import health_before
from churnfit.jobs.feeds import require_running
from churnfit.jobs.history import Say, now
from churnfit.jobs.journey import alerts
from churnfit.jobs.perception import mismatch_alerts
from churnfit.jobs.signing import moment
from churnfit.jobs.vanished import known_accounts, require_nobody_vanished
from churnfit.jobs.workspace import Workspace
from churnfit.registry import Version
from churnfit.scorecard.card import Scorecard
from churnfit.scoring.batch import ScoredRun, publish, run_folder, run_key, words_of
from churnfit.scoring.batch import score as score_snapshot
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "Measuring",
    "ScoringResult",
    "opened_for_scoring",
    "published_runs",
    "refuse_redefined",
    "ruled_bands",
    "score",
    "scored_accounts",
    "scoring_snapshot",
]

_TOP_REASONS = 3


@dataclass(frozen=True, kw_only=True)
class ScoringResult:
    """What a scoring run did; `published` is False when nothing was written, `known` True when it had been before."""

    run: RunRow
    bands: dict[str, int]
    published: bool
    known: bool


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """What measures the stage's accounts on a date: the opened sources, without the accounts that are set aside."""

    con: DuckDBPyConnection
    workspace: Workspace
    spec: ScorecardSpec
    quarantine: Quarantine = field(default_factory=Quarantine)

    def __call__(self, as_of: pd.Timestamp) -> pd.DataFrame:
        """Return the snapshot of the stage's accounts; CF314 when the sources end too long before the date."""
        _refuse_stale(self.con, self.spec, as_of)
        grid = scoring_grid(self.con, self.spec, as_of)
        return snapshot(self.con, self.spec, grid, engine=self.workspace.engine(self.spec)).assign(as_of=as_of)


def scoring_snapshot(workspace: Workspace, spec: ScorecardSpec, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the measures of every account of the stage on `as_of`, without those that faulty rows touch.

    Raises
    ------
    DataError
        The first error of the sources' checks; CF314 when the sources, or one kind of event, end too long before
        `as_of`; CF110 when no account is in the stage that day.
    """
    return _night(workspace, spec, as_of).measured


@dataclass(frozen=True, kw_only=True)
class _Night:
    """What is known of a date: the snapshot, what was set aside of it, who is in another stage by then; and of whom."""

    measured: pd.DataFrame
    quarantine: Quarantine
    moved_on: frozenset[str]
    known: frozenset[str]


def _night(workspace: Workspace, spec: ScorecardSpec, as_of: pd.Timestamp) -> _Night:
    with opened_for_scoring(workspace, spec, until=as_of) as measured_on:
        measured = measured_on(as_of)
        require_running(measured_on.con, spec, as_of)
        night = _Night(
            measured=measured,
            quarantine=measured_on.quarantine,
            moved_on=moved_on(measured_on.con, spec, as_of),
            known=known_accounts(measured_on.con, spec, set_aside=measured_on.quarantine.accounts),
        )
    if measured.empty:
        raise DataError(
            "CF110",
            where=f"card '{spec.name}' on {as_of:%Y-%m-%d}",
            expected="accounts in the stage",
            came="none",
            fix="Check the date and cohort.stage_days.",
        )
    return night


@contextmanager
def opened_for_scoring(
    workspace: Workspace, spec: ScorecardSpec, *, until: pd.Timestamp, checked: bool = False
) -> Iterator[Measuring]:
    """Yield what measures the stage's accounts on a date not after `until`; the sources are opened and checked once.

    Accounts that faulty rows touch are set aside (`churnfit.history.quarantine`). With `checked` nothing is checked
    again: this very job has done so, and found no fault.

    Raises
    ------
    DataError
        The first error of the sources' checks, of faulty rows where they are too many.
    """
    summary = workspace.summary(spec)
    with open_sources(spec, workspace.root, unreadable_as_gaps=not checked, summary=summary) as con:
        # a past date is scored from sources that know what came later: the snapshot looks away
        found = Quarantine() if checked else set_aside(con, spec, observed_to=max(until, now()))
        yield Measuring(con=con, workspace=workspace, spec=spec, quarantine=found)


def _refuse_stale(con: DuckDBPyConnection, spec: ScorecardSpec, as_of: pd.Timestamp) -> None:
    """Raise CF314 when the newest fact is so old that silence would look like customers going quiet."""
    newest = newest_fact(con, spec)
    if newest is not None and (age := (as_of - newest).days) > spec.cohort.max_age_days:
        raise DataError(
            "CF314",
            where=f"card '{spec.name}' on {as_of:%Y-%m-%d}",
            expected=f"facts at most {spec.cohort.max_age_days} days old (cohort.max_age_days)",
            came=f"the newest of {newest - pd.Timedelta(days=1):%Y-%m-%d}, {age} days before",
            fix="Bring the sources up to date, or score a date they reach with --as-of.",
        )


def score(workspace: Workspace, card: str, *, as_of: pd.Timestamp, say: Say, dry_run: bool = False) -> ScoringResult:
    """Score every account on `as_of` with the champion and publish scores, reasons and CTAs, once.

    The same date, card and data again change nothing. A date older than the newest published one joins the history
    and leaves the queue as it is. Accounts that faulty rows touch are not scored and keep their CTAs; the rows are
    listed in ``quarantine.parquet`` beside the scores. With `dry_run` nothing is written.

    Raises
    ------
    DataError
        CF219 when the spec takes a measure otherwise than the champion learned it; else as `scoring_snapshot`.
    """
    spec = workspace.spec(card)
    registry = workspace.registry()
    version = registry.resolve(card, "champion")
    champion = registry.load(version)
    refuse_redefined(champion, spec, version)
    say("Measuring every account")
    night = _night(workspace, spec, as_of)
    measured, quarantine = night.measured, night.quarantine
    # reads the database: one that cannot be read stops the run before a file is written
    require_nobody_vanished(workspace, spec, as_of, known=night.known)
    aside = quarantine.accounts - set(measured["account_id"])
    sha256 = snapshot_hash(measured)
    key = run_key(champion, sha256, as_of)
    say("Scoring and explaining")
    run = score_snapshot(champion, measured, key=key, scorer=workspace.scorer(spec))
    folder = run_folder(workspace.scores, card, as_of, key)
    row = RunRow(
        run_key=key,
        card=card,
        as_of=as_of.date(),
        version=version.reference,
        card_sha256=champion.sha256,
        snapshot_sha256=sha256,
        accounts=len(measured),
        folder=str(folder.relative_to(workspace.folder)),
        set_aside=len(aside),
        faulty_rows=len(quarantine.rows),
    )
    before = health_before(workspace, spec, as_of=as_of, card_sha256=champion.sha256)
    late = alerts(workspace, spec, as_of=as_of, without=quarantine.accounts)
    mismatched = mismatch_alerts(champion, run, spec)
    alerted = {account: (*late.get(account, ()), *mismatched.get(account, ())) for account in (*late, *mismatched)}
    accounts = scored_accounts(champion, run, spec, before=before, alerted=alerted, ruled=ruled_bands(measured, spec))
    with closing(workspace.store()) as store:
        if not dry_run:
            say("Publishing scores and calls to action")
            sweep(workspace.scores / card)
            publish(run, folder)
            _list(quarantine, folder / "quarantine.parquet")
        done = store.publish(
            row,
            lambda standing: decide(
                accounts,
                standing,
                spec,
                as_of=row.as_of,
                version=row.version,
                cuts=champion.bands,
                set_aside=aside,
                moved_on=night.moved_on,
            ),
            at=moment(),
            dry_run=dry_run,
        )
        there = store.run(key)
    bands = {band: int((run.scores["band"] == band).sum()) for band in ("red", "amber", "green")}
    known = done is None
    return ScoringResult(run=done or there or row, bands=bands, published=not known and not dry_run, known=known)


def refuse_redefined(card: Scorecard, spec: ScorecardSpec, version: Version) -> None:
    """Raise CF219 when the spec takes a measure otherwise than the card learned it."""
    for name in card.redefined(spec.definitions):
        raise DataError(
            "CF219",
            where=f"card '{spec.name}', measures.{name}",
            expected=f"as {version.reference} learned it: {dict(card.definitions)[name]}",
            came=spec.definition_of(name),
            fix="Put the definition back, or fit and promote a card that was learned with the new one.",
        )


def _list(quarantine: Quarantine, path: Path) -> None:
    """Write the faulty rows to `path`, where there are any: they are no part of the run's key, and may change."""
    if not quarantine.rows.empty:
        write_parquet(quarantine.rows, path)
    else:
        path.unlink(missing_ok=True)


def published_runs(workspace: Workspace, card: str) -> list[RunRow]:
    """Return the card's scoring runs, in the order they were published."""
    with closing(workspace.store()) as store:
        return store.runs(card)


def scored_accounts(
    card: Scorecard,
    run: ScoredRun,
    spec: ScorecardSpec,
    *,
    before: Mapping[str, float] | None = None,
    alerted: Mapping[str, tuple[Alert, ...]] | None = None,
    ruled: Mapping[str, Override] | None = None,
) -> list[ScoredAccount]:
    """Return the scored accounts as CTAs see them: those that can be shown red, or fell, with their reasons in words.

    `before` is what `churnfit.jobs.drops.health_before` returns; without it nothing has fallen. `alerted` is what
    calls for action whatever the health, `ruled` what the spec's override rules say of accounts.
    """
    health_was = run.scores["account_id"].map(before or {}).astype("float64")
    fallen = health_was - run.scores["health"] >= (spec.queue.drop_points or float("inf"))
    at_risk = run.scores.loc[(run.scores["health"] < card.bands.red_until) | fallen, "account_id"].tolist()
    words = words_of(card, run, at_risk, top=_TOP_REASONS)
    to_act_on = _to_act_on(card, spec)
    bad = run.reasons[(run.reasons["health_points"] < 0) & run.reasons["measure"].isin(to_act_on)]
    lead = bad.drop_duplicates("account_id").set_index("account_id")["measure"].map(to_act_on).to_dict()
    value = run.scores["arr"].fillna(spec.bands.default_value)
    owner = run.scores["owner"].astype(object).where(run.scores["owner"].notna(), "")
    scored: list[Any] = run.scores.assign(value=value, owner=owner, health_was=health_was).to_dict("records")
    return [
        ScoredAccount(
            account_id=row["account_id"],
            owner=row["owner"],
            value=row["value"],
            health=row["health"],
            churn_probability=row["churn_probability"],
            band=row["band"],
            lead_measure=lead.get(row["account_id"], ""),
            reasons=tuple(words.get(row["account_id"], ())),
            health_before=None if pd.isna(row["health_was"]) else row["health_was"],
            alerts=(alerted or {}).get(row["account_id"], ()),
            override=(ruled or {}).get(row["account_id"]),
        )
        for row in scored
    ]


def ruled_bands(measured: pd.DataFrame, spec: ScorecardSpec) -> dict[str, Override]:
    """Return what the spec's override rules say of the accounts of a snapshot."""
    return {
        account_id: Override(
            card=spec.name,
            account_id=account_id,
            band=spec.overrides[place].band,
            until=None,
            why=spec.overrides[place].why,
            by="",
            at="",
        )
        for account_id, place in overruled_by_rule(measured, spec).items()
    }


def _to_act_on(card: Scorecard, spec: ScorecardSpec) -> dict[str, str]:
    """Return the measure to act on for each line that can be acted on: of a pair, the first member that can be."""
    found = {line.name: [line.name] for line in card.measures if line.actionable}
    for pair in card.pairs:
        if pair.name in found:
            in_spec = [name for name in pair.members if name in spec.measures]  # a segment is no measure
            found[pair.name] = [name for name in in_spec if spec.measures[name].actionable]
    return {line: names[0] for line, names in found.items() if names}
