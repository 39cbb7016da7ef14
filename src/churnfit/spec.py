"""What to learn: a `scorecard.toml`, read into frozen values.

The spec is data, not programme: sources, cohort, measures, groups, the hand-made baseline card, what each band's action
costs and saves, the limits of the gates, playbooks, queue capacity. Unknown keys are errors that name the
nearest valid key, and every name that refers to another (a measure's group, a playbook) is checked here, once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from churnfit.errors import SpecError

__all__ = [
    "BandAction",
    "Bands",
    "BaselineMeasure",
    "Challenger",
    "Cohort",
    "Evaluation",
    "GateLimits",
    "Group",
    "Learning",
    "Measure",
    "Playbook",
    "Queue",
    "ScorecardSpec",
    "Source",
    "Sources",
    "Strict",
    "nearest",
    "read_spec",
    "read_toml",
]

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
    "trend",
    "attribute",
    "column",
]
Shape = Literal["auto", "higher_is_better", "lower_is_better", "healthy_range"]
Share = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3660)]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def nearest(name: str, valid: list[str]) -> str:
    """Return a hint that names the valid name nearest to `name`.

    Examples
    --------
    >>> nearest("weigth", ["weight", "red"])
    "nearest valid name: 'weight'"
    >>> nearest("zzz", ["weight", "red"])
    'valid names: red, weight'
    """
    close = get_close_matches(name, valid, n=1)
    return f"nearest valid name: '{close[0]}'" if close else f"valid names: {', '.join(sorted(valid))}"


class Strict(BaseModel):
    """A frozen part of a file: an unknown key is an error that names the nearest valid key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, given: Any) -> Any:
        if isinstance(given, dict):
            valid = list(cls.model_fields)
            for key in given:
                if key not in valid:
                    raise ValueError(f"unknown key '{key}'; {nearest(str(key), valid)}")
        return given


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
    """The tables that come in: accounts and events, or a wide table of ready measures."""

    accounts: Source | None = None
    events: list[Source] = []
    measures: Source | None = None
    interventions: Source | None = None
    files: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.measures is None) == (self.accounts is None):
            raise ValueError("give either `accounts` (and `events`) or `measures`")
        if self.measures is not None and self.events:
            raise ValueError("`events` go with `accounts`; a wide table has its measures already")
        return self


class Cohort(Strict):
    """Who is learned from, when, and what counts as churn.

    `landmark_days` are the days of the stage on which training snapshots are taken (a longer list: more rows,
    more alike). `horizon_days` after a snapshot, churn counts (longer: more churners, older evidence).
    `stage_days` are the first and last day of the stage on which accounts are scored.
    `observed_to` is the last day the sources know about, when it is not the day of the run.
    """

    stage: str = "onboarding"
    landmark_days: list[Days] = []
    stage_days: tuple[int, int] = (0, 3660)
    horizon_days: Days
    reporting_lag_days: Annotated[int, Field(ge=0)] = 0
    observed_to: date | None = None

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
    `of` lists the features of ``share_of``; `column` names the account attribute or wide-table column.
    A value is missing, with a state, before `due_day` (``not_due``), outside `segments` (``not_applicable``), when
    `asked_kind` happened but no answer came (``no_answer``), when the newest event is older than `validity_days`
    (``stale``), and when something dated has not happened yet (``never``).
    """

    label: str = ""
    group: str
    aggregate: Aggregate
    kinds: list[str] = []
    where: dict[Literal["feature", "user_id"], list[str]] = {}
    of: list[str] = []
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

    @model_validator(mode="after")
    def _aggregate_has_its_parts(self) -> Self:
        from_events = self.aggregate not in ("attribute", "column")
        if from_events and not self.kinds:
            raise ValueError(f"aggregate '{self.aggregate}' needs `kinds`")
        if not from_events and (self.kinds or self.window_days or self.of):
            raise ValueError(f"aggregate '{self.aggregate}' reads a column; `kinds`, `window_days`, `of` do not apply")
        if (self.aggregate == "share_of") != bool(self.of):
            raise ValueError("`of` lists the features of aggregate 'share_of', and only of that")
        if self.aggregate == "attribute" and not self.column:
            raise ValueError("aggregate 'attribute' needs `column`")
        if self.aggregate == "trend" and not self.window_days:
            raise ValueError("aggregate 'trend' compares two windows: it needs `window_days`")
        if self.aggregate in ("days_to_first", "days_since_last") and self.window_days:
            raise ValueError(f"aggregate '{self.aggregate}' looks at the whole stage: `window_days` does not apply")
        if self.asked_kind and self.aggregate not in ("last", "mean"):
            raise ValueError("`asked_kind` goes with answers: aggregate 'last' or 'mean'")
        return self


class BaselineMeasure(Strict):
    """One line of the hand-made card: full weight from `green`, half from `amber`, none beyond it.

    ``green > amber`` says that more is better, ``green < amber`` that less is.
    """

    weight: Annotated[float, Field(gt=0)]
    green: float
    amber: float

    @model_validator(mode="after")
    def _thresholds_differ(self) -> Self:
        if self.green == self.amber:
            raise ValueError("green and amber must differ: their order says which direction is healthy")
        return self


class BandAction(Strict):
    """What is done in a band, what it costs per account, and the share of churners it saves."""

    action: str
    cost: Annotated[float, Field(ge=0)]
    save_rate: Share


class Bands(Strict):
    """The economics that place the band cuts.

    `margin` is the share of the yearly contract value that is earned; `default_value` stands in where an account
    has no contract value.
    """

    red: BandAction
    amber: BandAction
    margin: Share = 0.8
    default_value: Annotated[float, Field(gt=0)] = 10_000.0


class GateLimits(Strict):
    """The limits of the promotion gates, which are `churnfit.evaluation.gates.GATES`."""

    min_churned_train: Annotated[int, Field(ge=1)] = 30
    min_churned_judged: Annotated[int, Field(ge=1)] = 20
    min_auc_lower: Annotated[float, Field(ge=0.5, le=1)] = 0.55
    calibration_slope: tuple[float, float] = (0.8, 1.2)
    min_red_lift: Annotated[float, Field(ge=0)] = 3.0
    min_churners_below_green: Share = 0.667
    max_green_share: Share = 0.8
    min_coverage: Share = 0.7
    max_champion_loss: Annotated[float, Field(ge=0)] = 0.0


class Playbook(Strict):
    """What a CSM does about a reason: a title, its steps, and the days until it is due."""

    title: str
    steps: Annotated[list[str], Field(min_length=1)]
    due_days: Days = 7


class Queue(Strict):
    """How many calls to action one owner can work at a time, and how long a closed one stays closed."""

    capacity_per_owner: Annotated[int, Field(ge=1)] = 8
    cooldown_days: Annotated[int, Field(ge=0)] = 14


class Learning(Strict):
    """How the card is learned. More `max_knots`: finer points, harder to say aloud."""

    max_knots: Annotated[int, Field(ge=2, le=9)] = 5
    max_levels: Annotated[int, Field(ge=2, le=20)] = 8
    folds: Annotated[int, Field(ge=2, le=20)] = 4
    penalties: list[Annotated[float, Field(gt=0)]] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    random_state: int = 7


class Challenger(Strict):
    """The LightGBM ceiling: how many Optuna trials (0: none). The study is kept and resumed."""

    trials: Annotated[int, Field(ge=0)] = 20
    folds: Annotated[int, Field(ge=2)] = 4


class Evaluation(Strict):
    """How the card is judged.

    ``out_of_time``: fit on older cohorts, judge on newer ones, no label window of the former reaching the latter.
    Stage starts before `train_before` train and from `judge_from` judge; without dates the newest `judge_share` of
    matured rows judges. ``held_out_accounts`` is for tables without dates and is reported as such.
    `bootstrap` resamples of whole accounts give the intervals.
    """

    method: Literal["out_of_time", "held_out_accounts"] = "out_of_time"
    train_before: date | None = None
    judge_from: date | None = None
    judge_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    bootstrap: Annotated[int, Field(ge=50)] = 400


class ScorecardSpec(Strict):
    """A whole `scorecard.toml`."""

    name: str
    title: str = ""
    sources: Sources
    cohort: Cohort
    groups: dict[str, Group]
    measures: Annotated[dict[str, Measure], Field(min_length=1)]
    baseline: dict[str, BaselineMeasure] = {}
    bands: Bands
    gates: GateLimits = GateLimits()
    playbooks: Annotated[dict[str, Playbook], Field(min_length=1)]
    queue: Queue = Queue()
    learning: Learning = Learning()
    challenger: Challenger = Challenger()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _names_are_declared(self) -> Self:
        for name in (self.name, *self.measures):
            if not _NAME.fullmatch(name) or "__" in name:
                raise ValueError(f"name '{name}' must be lower-case letters, digits and single _, at most 63")
        for where, name, valid in self._references():
            if name not in valid:
                raise ValueError(f"{where}: '{name}' is not declared; {nearest(name, valid)}")
        return self

    @model_validator(mode="after")
    def _measures_fit_the_sources(self) -> Self:
        wide = self.sources.measures is not None
        for name, measure in self.measures.items():
            if wide != (measure.aggregate == "column"):
                raise ValueError(f"measures.{name}: aggregate 'column' goes with `sources.measures`, others do not")
        if not wide and not self.cohort.landmark_days:
            raise ValueError("cohort.landmark_days: events need at least one landmark day")
        return self

    def _references(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield every name that must be declared elsewhere: where it stands, the name, the declared ones."""
        groups, playbooks = list(self.groups), list(self.playbooks)
        for name, measure in self.measures.items():
            yield f"measures.{name}.group", measure.group, groups
            if measure.playbook is not None:
                yield f"measures.{name}.playbook", measure.playbook, playbooks
        for name, group in self.groups.items():
            if group.playbook is not None:
                yield f"groups.{name}.playbook", group.playbook, playbooks
        for name in self.baseline:
            yield f"baseline.{name}", name, list(self.measures)

    def playbook_of(self, measure: str) -> str | None:
        """Return the playbook of a measure, or of its group; None where neither names one."""
        declared = self.measures[measure]
        return declared.playbook or self.groups[declared.group].playbook

    def label_of(self, measure: str) -> str:
        """Return the measure's label, or its name with spaces."""
        return self.measures[measure].label or measure.replace("_", " ")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the parsed TOML of `path`.

    Raises
    ------
    SpecError
        CF401 when the file is missing, CF502 when it is not TOML (with line and column).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(
            "CF401", where=str(path), expected="a TOML file", came="no file", fix="`churnfit init` writes one."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SpecError(
            "CF502", where=str(path), expected="TOML in UTF-8", came=str(fault), fix="Correct that line."
        ) from fault


def read_spec(path: Path) -> ScorecardSpec:
    """Return the spec in `path`, checked.

    Raises
    ------
    SpecError
        CF503 with every faulty key at once, each with the nearest valid one.
    """
    given = read_toml(path)
    try:
        return ScorecardSpec.model_validate(given)
    except ValidationError as fault:
        raise spec_error(str(path), fault) from None


def spec_error(where: str, fault: ValidationError) -> SpecError:
    """Return pydantic's findings as one SpecError."""
    found = []
    for error in fault.errors():
        place = ".".join(str(part) for part in error["loc"]) or "the file"
        found.append(f"{place}: {error['msg'].removeprefix('Value error, ')}")
    return SpecError(
        "CF503",
        where=where,
        expected="a valid spec",
        came="; ".join(found[:10]),
        fix="Correct these keys; `churnfit init` writes a commented example.",
    )
