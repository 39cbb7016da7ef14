"""Where data comes from, whom it is learned from, and what is measured."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from churnfit.spec.reason_text import checked_text
from churnfit.spec.strict import Days, Share, Strict

__all__ = ["Cohort", "Contraction", "Group", "History", "Measure", "Source", "Sources"]

Aggregate = Literal[
    "count",
    "sum",
    "mean",
    "last",
    "distinct_users",
    "distinct_features",
    "active_days",
    "share_of_seats",
    "share_of",
    "days_since_last",
    "days_to_first",
    "milestone_days_late",
    "steps_skipped",
    "rate",
    "share_reached",
    "trend",
    "sql",
    "attribute",
    "column",
]
_NO_PART_OF_THE_VALUE = {"label", "group", "unit", "shape", "actionable", "playbook", "leak_checked", "says", "actor"}
_WHOLE_STAGE = ("days_to_first", "days_since_last", "milestone_days_late", "steps_skipped")
Shape = Literal["auto", "higher_is_better", "lower_is_better", "healthy_range", "free"]


class Source(Strict):
    """Where one table is read from: a file DuckDB reads (globs allowed), or one SELECT over ``[sources.files]``.

    `columns` renames (``account_id = "customer_id"``), `timezone` says what naive timestamps mean, `kind` gives
    every row of an events source the same kind.
    """

    path: str | None = None
    sql: str | None = None
    columns: dict[str, str] = {}
    timezone: str | None = None
    kind: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.sql is None):
            raise ValueError("give either `path` or `sql`")
        return self


class Sources(Strict):
    """The tables that come in: accounts and events, or a wide table of ready measures.

    `max_faulty_share` is the share of accounts that a night sets aside because of faulty rows, and of events that may
    be faulty, before it refuses the lot (one of each always, unless it is 0); learning refuses every one.
    """

    accounts: Source | None = None
    events: list[Source] = []
    measures: Source | None = None
    interventions: Source | None = None
    files: dict[str, str] = {}
    max_faulty_share: Share = 0.01

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.measures is None) == (self.accounts is None):
            raise ValueError("give either `accounts` (and `events`) or `measures`")
        if self.measures is not None and self.events:
            raise ValueError("`events` go with `accounts`; a wide table has its measures already")
        return self


class Contraction(Strict):
    """A loss of contract value that counts as churn.

    Events of `kind` carry the new yearly contract value; churn is a fall by at least `share` below what it was at the
    look (the newest such event by then, or else the account's ``arr``).
    """

    kind: str
    share: Annotated[float, Field(gt=0, lt=1)]


class History(Strict):
    """How measures are taken from events.

    `engine`: ``events`` scans them each time; ``days`` keeps day tables in the workspace and reads only what is new,
    for many events or many dates; ``spark`` takes them on Spark (extra ``spark``), where the log outgrows one machine,
    and scores the nights there. All give the same bytes.
    """

    engine: Literal["events", "days", "spark"] = "events"


class Cohort(Strict):
    """Who is learned from, when, and what counts as churn.

    Churn is an account's ``churned_at``, the first event of `churn_kinds` (``contract_not_renewed``), or a
    `contraction`, whichever comes first.

    `landmark_days` are the days of the stage on which training snapshots are taken (a longer list: more rows,
    more alike). `horizon_days` after a snapshot, churn counts (longer: more churners, older evidence).
    `stage_days` are the first and last day of the stage on which accounts are scored.
    `observed_to` is the last day the sources know about, when it is not the day of their newest event or churn.
    `max_age_days` is how many days the newest fact may lie before a date that is scored; nothing is scored either while
    a kind of event has stopped, silent for longer than ever in a year, unless `may_stop` names it. The peers of an
    account are those of its segment that reached the same day of the stage within `peer_days` before it; with fewer
    than `min_peers` nothing is said of its place among them.
    """

    stage: str = "onboarding"
    landmark_days: list[Days] = []
    stage_days: tuple[int, int] = (0, 3660)
    horizon_days: Days
    churn_kinds: list[str] = []
    contraction: Contraction | None = None
    reporting_lag_days: Annotated[int, Field(ge=0)] = 0
    observed_to: date | None = None
    max_age_days: Days = 7
    may_stop: list[str] = []
    peer_days: Days = 365
    min_peers: Annotated[int, Field(ge=2)] = 20

    @model_validator(mode="after")
    def _days_rise(self) -> Self:
        if self.landmark_days != sorted(set(self.landmark_days)):
            raise ValueError("landmark_days must rise, each once")
        if self.stage_days[0] > self.stage_days[1]:
            raise ValueError("stage_days must be [first, last]")
        return self


class Group(Strict):
    """Measures that belong together on the card; its playbook serves measures that name none."""

    label: str
    playbook: str | None = None


class Measure(Strict):
    """One dated, account-level quantity, declared.

    `kinds` and `where` select events; `window_days` looks back from as_of (absent: from the start of the stage).
    `of` lists the features of ``share_of``, or the steps of ``steps_skipped`` in order; `of_goal` lists the features of
    ``share_of`` by the account's goal. `per_kinds` are what ``rate`` divides by and the aims of ``share_reached``;
    `planned_kind` happens on the day for which a milestone was planned (or `due_day` is that day of the stage).
    `column` names the account attribute or wide-table column; `sql` is arithmetic over other measures and
    ``account.<column>``. With `relative_to` the value is the account's percentile among its peers (see `Cohort`).
    A value is missing, with a state, before `due_day` (``not_due``), outside `segments` (``not_applicable``), when
    `asked_kind` happened but no answer came (``no_answer``), when the newest event is older than `validity_days`
    (``stale``), and when something dated has not happened yet (``never``).
    `says` is the measure's own words for its reason, with names of `churnfit.spec.reason_text.REASON_NAMES` in braces.
    """

    label: str = ""
    group: str
    aggregate: Aggregate
    kinds: list[str] = []
    where: dict[Literal["feature", "user_id"], list[str]] = {}
    of: list[str] = []
    of_goal: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    per_kinds: list[str] = []
    planned_kind: str | None = None
    sql: str | None = None
    relative_to: Literal["peers"] | None = None
    column: str | None = None
    window_days: Days | None = None
    unit: str = ""
    actor: Literal["customer", "internal"] = "customer"
    shape: Shape = "auto"
    validity_days: Days | None = None
    due_day: Days | None = None
    asked_kind: str | None = None
    segments: list[str] = []
    actionable: bool = True
    playbook: str | None = None
    leak_checked: bool = False
    says: Annotated[str, AfterValidator(checked_text)] = ""

    @model_validator(mode="after")
    def _aggregate_has_its_parts(self) -> Self:
        from_events = self.aggregate not in ("attribute", "column", "sql")
        if from_events and not self.kinds:
            raise ValueError(f"aggregate '{self.aggregate}' needs `kinds`")
        if not from_events and (self.kinds or self.window_days or self.of or self.where):
            raise ValueError(
                f"aggregate '{self.aggregate}' reads no events: `kinds`, `where`, `window_days`, `of` do not apply"
            )
        if self.column is not None and self.aggregate not in ("attribute", "column"):
            raise ValueError(f"`column` goes with aggregates 'attribute' and 'column': '{self.aggregate}' reads none")
        if (self.aggregate == "sql") != (self.sql is not None):
            raise ValueError("aggregate 'sql' needs `sql`, which goes with no other")
        if self.relative_to is not None and not (from_events or self.sql):
            raise ValueError("`relative_to` goes with measures from events and 'sql': columns have no day of the stage")
        if self.aggregate == "attribute" and not self.column:
            raise ValueError("aggregate 'attribute' needs `column`")
        if self.aggregate == "trend" and not self.window_days:
            raise ValueError("aggregate 'trend' compares two windows: it needs `window_days`")
        if self.aggregate in _WHOLE_STAGE and self.window_days:
            raise ValueError(f"aggregate '{self.aggregate}' looks at the whole stage: `window_days` does not apply")
        if self.asked_kind and self.aggregate not in ("last", "mean"):
            raise ValueError("`asked_kind` goes with answers: aggregate 'last' or 'mean'")
        return self

    @model_validator(mode="after")
    def _lists_go_with_their_aggregate(self) -> Self:
        if (self.aggregate == "share_of") != bool(self.of or self.of_goal) and self.aggregate != "steps_skipped":
            raise ValueError("`of` or `of_goal` lists the features of aggregate 'share_of', and only of that")
        if self.of and self.of_goal:
            raise ValueError("give either `of` or `of_goal`")
        if self.aggregate == "steps_skipped" and (len(set(self.of)) < 2 or len(set(self.of)) < len(self.of)):
            raise ValueError("aggregate 'steps_skipped' needs at least two different steps in `of`, in their order")
        if (self.aggregate in ("rate", "share_reached")) != bool(self.per_kinds):
            raise ValueError("`per_kinds` goes with aggregates 'rate' and 'share_reached', which need it")
        late = self.aggregate == "milestone_days_late"
        if late and (self.planned_kind is None) == (self.due_day is None):
            raise ValueError("aggregate 'milestone_days_late' needs its plan: either `planned_kind` or `due_day`")
        if self.planned_kind is not None and not late:
            raise ValueError("`planned_kind` goes with aggregate 'milestone_days_late'")
        return self

    def value_fields(self) -> dict[str, Any]:
        """Return what decides the measure's values, as JSON: neither its words, its shape nor who acts on it.

        Lists are sorted, but for the steps of ``steps_skipped``; of `sql` spaces that say nothing are left out.
        """
        ordered = {"of"} if self.aggregate == "steps_skipped" else set()
        fields = self.model_dump(mode="json", exclude=_NO_PART_OF_THE_VALUE, exclude_defaults=True)
        if self.sql is not None:
            fields["sql"] = re.sub(r"\s*([^\w\s'])\s*", r"\1", " ".join(self.sql.split()))
        return {name: value if name in ordered else _sorted(value) for name, value in fields.items()}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(held) for name, held in value.items()}
    return sorted(set(value)) if isinstance(value, list) else value
