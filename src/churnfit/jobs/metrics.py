"""What a scoring run did, as a file for Prometheus' textfile collector: counts, dates and versions, no customers.

A run that fails writes nothing: alert on the age of ``churnfit_last_run_timestamp_seconds``.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from churnfit.files import aside, by_ending, make_folder
from churnfit.history.cohort import newest_fact
from churnfit.history.sources import open_sources
from churnfit.jobs.history import now
from churnfit.jobs.scoring import ScoringResult
from churnfit.jobs.workspace import Workspace

__all__ = ["Watch"]


class Watch:
    """Measures runs from now on, and writes what each did.

    Parameters
    ----------
    workspace, card
        Whose runs.
    given : Path or None
        The file to write, a .prom; without it ``churnfit_CARD.prom`` in the folder that churnfit.toml names as
        `metrics`; where it names none, nothing is written.

    Raises
    ------
    UsageError
        CF703 when `given` does not end in .prom: the collector reads no other file; CF709 when its folder cannot be
        made.
    """

    def __init__(self, workspace: Workspace, card: str, *, given: Path | None = None) -> None:
        if given is not None:
            by_ending(given, {".prom": given})
        configured = None if workspace.metrics is None else workspace.metrics / f"churnfit_{card}.prom"
        self._workspace, self._card, self._path = workspace, card, given or configured
        if self._path is not None:
            make_folder(self._path.parent)  # a run that cannot say what it did is not begun
        self._began = time.monotonic()

    def write(self, result: ScoringResult) -> None:
        """Write what the run did, in one piece; the next one is measured from here."""
        if self._path is not None:
            with aside(self._path) as beside:
                beside.write_bytes(self._text(result, seconds=time.monotonic() - self._began))
        self._began = time.monotonic()

    def _text(self, result: ScoringResult, *, seconds: float) -> bytes:
        from prometheus_client import CollectorRegistry, Gauge, generate_latest

        registry, run = CollectorRegistry(), result.run
        as_of = pd.Timestamp(run.as_of, tz="UTC")
        numbers = {
            "last_run_timestamp_seconds": ("When the run ended.", now().timestamp()),
            "last_run_as_of_timestamp_seconds": ("The date that was scored.", as_of.timestamp()),
            "last_run_duration_seconds": ("How long the run took.", seconds),
            "accounts": ("Accounts that were scored.", run.accounts),
            "set_aside": (
                "Accounts that faulty rows touch: if they are in the stage, they were not scored.",
                run.set_aside,
            ),
            "faulty_rows": ("Rows of the sources that are faulty.", run.faulty_rows),
            "ctas_opened": ("CTAs the run opened.", run.opened),
            "ctas_resolved": ("CTAs the run resolved.", run.resolved),
            "ctas_held_out": ("CTAs the run held out.", run.held_out),
        }
        newest = self._newest_fact()
        if newest is not None:
            age = (as_of - newest).total_seconds()
            numbers["newest_fact_age_seconds"] = ("From the end of the newest fact's day to the scored date.", age)
        for name, (words, number) in numbers.items():
            Gauge(f"churnfit_{name}", words, ["card"], registry=registry).labels(self._card).set(number)
        banded = Gauge("churnfit_band_accounts", "Accounts by band.", ["card", "band"], registry=registry)
        for band, count in result.bands.items():
            banded.labels(self._card, band).set(count)
        champion = Gauge("churnfit_champion_info", "The version that scored.", ["card", "version"], registry=registry)
        champion.labels(self._card, run.version).set(1)
        return generate_latest(registry)

    def _newest_fact(self) -> pd.Timestamp | None:
        spec = self._workspace.spec(self._card)
        summary = self._workspace.summary(spec)
        with open_sources(spec, self._workspace.root, unreadable_as_gaps=True, summary=summary) as con:
            return newest_fact(con, spec)
