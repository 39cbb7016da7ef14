"""The day-table engine: brings the tables of a card up to date, and takes its readings from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from churnfit.errors import BusyError
from churnfit.history.days.building import Builder
from churnfit.history.days.joining import Joined, put_together
from churnfit.history.days.log import Log, log_of
from churnfit.history.days.plan import Plan
from churnfit.history.days.tables import Manifest, PartWriter, read_manifest, write_manifest
from churnfit.history.days.taking import readings_over_days
from churnfit.history.events_sql import readings_taken
from churnfit.history.readings import Reading
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["Brought", "DayTables"]

Brought = Literal["kept", "built", "rebuilt", "grown"]
"""What bringing up to date came to: nothing new; a first build; a build anew, as a source or the readings changed; or
only new events were read."""

_SAID: dict[Brought, str] = {
    "built": "Building the day tables",
    "rebuilt": "Building the day tables anew: the sources, or what is read of them, changed",
    "grown": "Reading the new events into the day tables",
}
_TAKEN = "readings_from_day_tables"


@dataclass(frozen=True, kw_only=True)
class DayTables:
    """Day tables of one card: an engine for `churnfit.history.snapshot.snapshot`.

    Parameters
    ----------
    folder : Path
        Where they lie; nothing else does.
    spec : ScorecardSpec
        Whose events.
    root : Path
        The folder that the spec's paths start from.
    say : callable
        Told what is written, before it is.
    patience_seconds : float
        How long to wait for another process that works on them.
    """

    folder: Path
    spec: ScorecardSpec
    root: Path
    say: Callable[[str], None] = lambda _: None
    patience_seconds: float = 1800.0

    def __call__(self, con: duckdb.DuckDBPyConnection, readings: Mapping[str, Reading], grid: str) -> str:
        """Return a SELECT of account_id, as_of and the readings, for rows of the SELECT `grid` with known events."""
        rows = con.sql(f"SELECT account_id, as_of, as_of_day, start_day FROM ({grid})").to_arrow_table()
        with self._alone():
            _, manifest = self.bring_up_to_date(con, readings)
            taken = readings_over_days(readings, rows, Joined(self.folder, manifest))
        con.register(_TAKEN, taken)
        return readings_taken(_TAKEN, readings)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder: a file that one process reads is not removed by another that writes."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=self.patience_seconds):
                yield
        except Timeout as fault:
            raise BusyError(
                "CF701",
                where=str(self.folder),
                expected=f"the day tables to be free within {self.patience_seconds:.0f} seconds",
                came="another run that holds them",
                fix="Run again when it has ended.",
            ) from fault

    def bring_up_to_date(
        self, con: duckdb.DuckDBPyConnection, readings: Mapping[str, Reading]
    ) -> tuple[Brought, Manifest]:
        """Build the tables, or read into them what is new; a crash leaves the old ones.

        Returns what it came to, and the manifest of what there is now.

        Parameters
        ----------
        con : duckdb.DuckDBPyConnection
            From `churnfit.history.sources.open_sources`, of the same spec and root.
        readings : dict of str to Reading
            What the tables must answer.

        Raises
        ------
        IntegrityError
            CF403 when the tables are not as they were written.
        DataError
            CF203 when a value is too large to be added up.
        """
        plan, before = Plan(readings), read_manifest(self.folder)
        log = log_of(self.spec, self.root, before=before.files if before else {})
        new: dict[str, list[int]] | None = None
        came: Brought = "built" if before is None else "rebuilt"
        if before is not None and (before.plan, before.sources) == (plan.sha256(), log.declared):
            new = log.grown_from(before.files)
            if new is not None:
                came = "grown" if new else "kept"
        if before is not None and came == "kept":
            return came, before
        self.say(_SAID[came])
        manifest = self._built(con, plan, log, before if came == "grown" else None, new)
        write_manifest(self.folder, manifest)
        fewer = put_together(self.folder, manifest)
        if fewer is not manifest:
            write_manifest(self.folder, fewer)
        return came, fewer

    def _built(
        self,
        con: duckdb.DuckDBPyConnection,
        plan: Plan,
        log: Log,
        before: Manifest | None,
        groups: dict[str, list[int]] | None,
    ) -> Manifest:
        """Return the manifest of `before` and what is new, after writing that."""
        writer = PartWriter(self.folder, build=max(before.builds, default=0) + 1 if before else 0)
        try:
            builder = Builder(plan, writer.write)
            for batch in log.batches(con, plan.columns(), kinds=plan.kinds, groups=groups):
                builder.take(batch)
            builder.finish()
            parts = (before.parts if before else ()) + writer.close()
        finally:
            writer.discard()
        return Manifest(
            plan=plan.sha256(),
            sources=log.declared,
            files=log.files,
            built_to=max(builder.built_to, before.built_to if before else 0),
            parts=parts,
        )
