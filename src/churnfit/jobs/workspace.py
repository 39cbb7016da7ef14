"""A workspace: the folder with `churnfit.toml`, and where its specs, stores and scores lie.

Order of precedence: environment (``CHURNFIT_TRACKING_URI``, ``CHURNFIT_DATABASE``), then the file, then the defaults
below the workspace's own folder. Secrets are given as ``env:NAME`` or ``file:PATH``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from churnfit.cta.outbox import Outbox, Subscription
from churnfit.cta.store import Store
from churnfit.errors import SpecError, UsageError
from churnfit.history.events_sql import events_engine
from churnfit.history.snapshot import Engine
from churnfit.jobs.sinks import Sink, secret
from churnfit.registry import Ledger, Registry
from churnfit.scoring.batch import Scorer, by_card
from churnfit.spec import ScorecardSpec, Strict, nearest, read_spec, read_toml, spec_error

__all__ = ["FILE_NAME", "Workspace", "find_workspace"]

FILE_NAME = "churnfit.toml"


class _Promotion(Strict):
    """What a promotion demands: with `second_person`, that one asks (``promote --ask``) and another promotes."""

    second_person: bool = False


_SinkName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class _File(Strict):
    """`churnfit.toml`: the cards, where things are kept, and who is told of CTAs."""

    cards: dict[str, str]
    folder: str = ".churnfit"
    database: str | None = None
    tracking_uri: str | None = None
    promotion: _Promotion = _Promotion()
    metrics: str | None = None
    sinks: dict[_SinkName, Sink] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where one team's cards, stores and scores lie."""

    root: Path
    folder: Path
    database: str
    tracking_uri: str
    cards: dict[str, Path]
    second_person: bool = False
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    metrics: Path | None = None

    def card_name(self, given: str | None) -> str:
        """Return the card a command means: the given one, or the only one.

        Raises
        ------
        UsageError
            CF703 when there are several and none was given, CF504 when the given one is unknown.
        """
        if given is None and len(self.cards) == 1:
            return next(iter(self.cards))
        known = sorted(self.cards)
        if given is None:
            raise UsageError(
                "CF703",
                where=str(self.root / FILE_NAME),
                expected="--card, as there are several cards",
                came="no --card",
                fix=f"Give one of {', '.join(known)}.",
            )
        if given not in self.cards:
            raise UsageError(
                "CF504",
                where=str(self.root / FILE_NAME),
                expected=f"one of {', '.join(known)}",
                came=f"'{given}'",
                fix=f"Give a card of this workspace; {nearest(given, known)}.",
            )
        return given

    def spec(self, card: str) -> ScorecardSpec:
        """Return the card's spec, checked."""
        spec = read_spec(self.cards[card])
        if spec.name != card:
            raise SpecError(
                "CF503",
                where=str(self.cards[card]),
                expected=f'name = "{card}", as churnfit.toml says',
                came=f'name = "{spec.name}"',
                fix="Use one name in both files.",
            )
        return spec

    def registry(self) -> Registry:
        """Return the workspace's versions."""
        return Registry(self.tracking_uri, self.folder / "artifacts", self.ledger())

    def ledger(self) -> Ledger:
        """Return the record of who moved a champion."""
        return Ledger(self.database)

    def store(self) -> Store:
        """Return the workspace's runs and CTAs."""
        told = [Subscription(sink=name, statuses=sink.events) for name, sink in self.sinks.items()]
        return Store(self.database, subscriptions=told)

    def outbox(self) -> Outbox:
        """Return what the sinks are still to be told."""
        return Outbox(self.database)

    def engine(self, spec: ScorecardSpec, say: Callable[[str], None] = lambda _: None) -> Engine:
        """Return what takes the readings of a card of this workspace; `say` is told when day tables are written."""
        if spec.history.engine == "days":
            from churnfit.history.days.engine import DayTables

            return DayTables(folder=self.folder / "days" / spec.name, spec=spec, root=self.root, say=say)
        if spec.history.engine == "spark":
            from churnfit.history.spark import SparkEngine

            return SparkEngine(spec=spec, root=self.root)
        return events_engine

    def summary(self, spec: ScorecardSpec) -> Path | None:
        """Return where the summary of a card's events is kept; None where its engine keeps nothing of events."""
        return self.folder / "checked" / f"{spec.name}.summary" if spec.history.engine == "days" else None

    def scorer(self, spec: ScorecardSpec) -> Scorer:
        """Return what scores a snapshot: the card itself, or Spark where its measures are taken there."""
        if spec.history.engine == "spark":
            from churnfit.scoring.spark import by_spark

            return by_spark
        return by_card

    @property
    def scores(self) -> Path:
        """Where scoring runs are published."""
        return self.folder / "scores"


def find_workspace(start: Path) -> Workspace:
    """Return the workspace of `start`: its own `churnfit.toml`, or that of the nearest folder above.

    Raises
    ------
    SpecError
        CF501 when there is none, CF503 when the file is wrong.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FILE_NAME).is_file():
            return _read(folder)
    raise SpecError(
        "CF501",
        where=str(start),
        expected=f"{FILE_NAME} here or above",
        came="none",
        fix="`churnfit init` makes a workspace, `churnfit demo` one with data.",
    )


def _read(root: Path) -> Workspace:
    path = root / FILE_NAME
    try:
        file = _File.model_validate(read_toml(path))
    except ValidationError as fault:
        raise spec_error(str(path), fault) from None
    folder = root / file.folder
    database = os.environ.get("CHURNFIT_DATABASE") or file.database or f"sqlite:///{folder / 'churnfit.db'}"
    tracking = os.environ.get("CHURNFIT_TRACKING_URI") or file.tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
    database, tracking = _resolved(database, root), _resolved(tracking, root)
    if database == tracking:  # in SQLite each would wait for the other's lock; elsewhere both have a table `runs`
        raise SpecError(
            "CF508",
            where=str(path),
            expected="a database of its own for MLflow",
            came="one for both",
            fix="Give tracking_uri another database.",
        )
    return Workspace(
        root=root,
        folder=folder,
        database=database,
        tracking_uri=tracking,
        cards={name: root / where for name, where in file.cards.items()},
        second_person=file.promotion.second_person,
        sinks=file.sinks,
        metrics=None if file.metrics is None else root / file.metrics,
    )


def _resolved(value: str, root: Path) -> str:
    """Return `value`, or what ``env:NAME`` or ``file:PATH`` points at; a relative SQLite file lies in the workspace."""
    found = secret(value, root) if value.startswith(("env:", "file:")) else value
    if found.startswith("sqlite:///"):  # wherever the command is run
        return f"sqlite:///{root / found.removeprefix('sqlite:///')}"
    return found
