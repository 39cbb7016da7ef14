"""One declared measure: what it reads from events, its value, and the states in which there is none.

Values and states are SQL over ``g``, the grid row (account_id, as_of, as_of_day, start_day, stage_day, segment, goal,
seats), ``a``, the account or wide-table row, and one column per reading (`churnfit.history.readings`).

Windows are half-open: `window_days` before as_of, or without it from the day the stage began. Only an explicit window
may reach before that day; a kind that happens before it (a visit before the course) needs one that is long enough.

States, the first that holds:

1. ``not_applicable``: the segment is not among `segments`;
2. ``not_due``: before `due_day`;
3. ``not_applicable`` or ``not_due`` of the aggregate: no seats to share; nothing to take a rate of; no list of features
   for the account's goal; a milestone not planned or not due; a stage shorter than a trend's two windows, or no events
   in either;
4. ``no_answer``: asked within the window, not answered;
5. ``stale``: the newest event ever is older than `validity_days`;
6. ``not_due``: with an `asked_kind`, nothing asked yet;
7. ``never``: a dated thing has not happened;
8. ``missing``: anything else without a value.

No events are a true 0 for counts and sums; but where events exist whose users, features or values were not recorded,
the value is ``missing``. Days are calendar days, UTC: what happened the day before as_of is one day old.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from churnfit.history.readings import MILLIONTHS, Reading, Selection, Taken, Window
from churnfit.history.sql import any_of, identifier, literal
from churnfit.spec import Measure

__all__ = ["MeasureParts", "column_of", "event_kinds", "measure_parts", "states_of_any"]


_States = tuple[tuple[str, str], ...]
_ValueAndStates = tuple[str, _States]
_NO_STATES: _States = ()


@dataclass(frozen=True, kw_only=True)
class MeasureParts:
    """What a measure is made of.

    Parameters
    ----------
    readings : dict of str to Reading
        By column name; the names are the measure's own (``<measure>__events``).
    value : str
        SQL of the value; null where there is none.
    states : tuple of (condition, state)
        The first condition that holds gives the state and makes the value null.
    """

    readings: dict[str, Reading]
    value: str
    states: _States


def column_of(name: str, measure: Measure) -> str | None:
    """Return the column that an attribute or a wide-table measure reads; None for measures from events."""
    if measure.aggregate in ("attribute", "column"):
        return measure.column or name
    return None


def event_kinds(measures: dict[str, Measure]) -> list[str]:
    """Return the kinds of events that `measures` read, sorted; nothing else need be scanned."""
    parts = (measure_parts(name, measure) for name, measure in measures.items() if measure.sql is None)
    return sorted({kind for part in parts for reading in part.readings.values() for kind in reading.selection.kinds})


def measure_parts(name: str, measure: Measure) -> MeasureParts:
    """Return the readings, value and states of one measure called `name`."""
    column = column_of(name, measure)
    if column is not None:
        # an empty text is a gap; numbers are already finite or null
        value = f"a.{identifier(column)}"
        blank = (f"trim(CAST({value} AS VARCHAR)) = ''", "missing")
        return MeasureParts(readings={}, value=value, states=(*states_of_any(measure), blank))
    made = _Making(name=name, measure=measure)
    value, own = _BY_AGGREGATE[measure.aggregate](made)
    stale = _NO_STATES
    unasked = _NO_STATES
    if measure.asked_kind is not None:
        asked = made.read("events", "asked", selection=replace(made.selection, kinds=(measure.asked_kind,)))
        own = ((f"({value}) IS NULL AND {asked} > 0", "no_answer"),)
        unasked = ((f"({value}) IS NULL", "not_due"),)
    if measure.validity_days is not None:
        newest = made.read("newest_day", "newest_ever", window=Window(ever=True))
        stale = ((f"g.as_of_day - {newest} > {literal(measure.validity_days)}", "stale"),)
    never = tuple(state for state in own if state[1] == "never")
    early = tuple(state for state in own if state[1] != "never")
    states = (*states_of_any(measure), *early, *stale, *unasked, *never)
    return MeasureParts(readings=made.readings, value=value, states=states)


class _Making:
    """Collects the readings of one measure while its value is written."""

    def __init__(self, *, name: str, measure: Measure) -> None:
        self.name = name
        self.measure = measure
        self.readings: dict[str, Reading] = {}
        where = {field: tuple(sorted(set(values))) for field, values in measure.where.items()}
        self.selection = Selection(
            kinds=tuple(sorted(set(measure.kinds))), features=where.get("feature"), users=where.get("user_id")
        )
        self.window = Window(days=measure.window_days)

    def read(
        self, taken: Taken, called: str = "", *, selection: Selection | None = None, window: Window | None = None
    ) -> str:
        """Return the column of one more reading; what is counted is 0 where nothing was seen."""
        column = identifier(f"{self.name}__{called or taken}")
        self.readings[f"{self.name}__{called or taken}"] = Reading(
            taken=taken, selection=selection or self.selection, window=window or self.window
        )
        return column if taken in ("total", "last", "first_day", "newest_day") else f"coalesce({column}, 0)"


def states_of_any(measure: Measure) -> _States:
    """Return the states that any measure may have: its segment has none of it, or it is too early."""
    states = []
    if measure.segments:
        states.append((f"g.segment IS NULL OR g.segment NOT IN {any_of(measure.segments)}", "not_applicable"))
    if measure.due_day is not None:
        states.append((f"g.stage_day < {literal(measure.due_day)}", "not_due"))
    return tuple(states)


def _count(made: _Making) -> _ValueAndStates:
    return made.read("events"), _NO_STATES


def _active_days(made: _Making) -> _ValueAndStates:
    return made.read("days"), _NO_STATES


def _sum(made: _Making) -> _ValueAndStates:
    return f"CASE WHEN {made.read('events')} = 0 THEN 0 ELSE {_total(made)} END", _NO_STATES


def _mean(made: _Making) -> _ValueAndStates:
    return f"{_total(made)} / nullif({made.read('values')}, 0)", _NO_STATES


def _total(made: _Making) -> str:
    return f"(CAST({made.read('total')} AS DOUBLE) / {literal(float(MILLIONTHS))})"


def _last(made: _Making) -> _ValueAndStates:
    return made.read("last"), _NO_STATES


def _distinct(made: _Making, taken: Taken) -> _ValueAndStates:
    return f"CASE WHEN {made.read('events')} = 0 THEN 0 ELSE nullif({made.read(taken)}, 0) END", _NO_STATES


def _share_of_seats(made: _Making) -> _ValueAndStates:
    users, _ = _distinct(made, "users")
    return f"({users}) / nullif(g.seats, 0)", (("coalesce(g.seats, 0) = 0", "not_applicable"),)


def _share_of(made: _Making) -> _ValueAndStates:
    if not made.measure.of_goal:
        return _share_of_list(made, made.measure.of, "features"), _NO_STATES
    shares = [
        f"WHEN g.goal = {literal(goal)} THEN {_share_of_list(made, features, f'features_{position}')}"
        for position, (goal, features) in enumerate(made.measure.of_goal.items())
    ]
    unmapped = f"g.goal IS NULL OR g.goal NOT IN {any_of(made.measure.of_goal)}"
    return f"CASE {' '.join(shares)} END", ((unmapped, "not_applicable"),)


def _share_of_list(made: _Making, features: list[str], called: str) -> str:
    listed = tuple(sorted(set(features)))
    wanted = made.selection.features
    selected = listed if wanted is None else tuple(feature for feature in listed if feature in wanted)
    seen = made.read("features", called, selection=replace(made.selection, features=selected))
    return f"{seen} / {literal(float(len(listed)))}"


def _days_since_last(made: _Making) -> _ValueAndStates:
    newest = made.read("newest_day")
    return f"g.as_of_day - {newest}", ((f"{newest} IS NULL", "never"),)


def _days_to_first(made: _Making) -> _ValueAndStates:
    first = made.read("first_day")
    return f"{first} - g.start_day", ((f"{first} IS NULL", "never"),)


def _milestone_days_late(made: _Making) -> _ValueAndStates:
    done, measure = made.read("first_day"), made.measure
    planned, unplanned = f"g.start_day + {literal(measure.due_day)}", _NO_STATES
    if measure.planned_kind is not None:
        planned = made.read(
            "first_day", "planned_day", selection=replace(made.selection, kinds=(measure.planned_kind,))
        )
        unplanned = ((f"{planned} IS NULL", "not_due"),)
    return f"coalesce({done}, g.as_of_day) - ({planned})", unplanned


def _steps_skipped(made: _Making) -> _ValueAndStates:
    done = [
        f"{made.read('events', f'step_{number}', selection=replace(made.selection, features=(step,)))} > 0"
        for number, step in enumerate(made.measure.of, start=1)
    ]
    furthest = " ".join(f"WHEN {done[number - 1]} THEN {number}" for number in range(len(done), 0, -1))
    steps_done = " + ".join(f"CAST({step} AS INT)" for step in done)
    return f"CASE {furthest} ELSE 0 END - ({steps_done})", _NO_STATES


def _rate(made: _Making) -> _ValueAndStates:
    tried = made.read("events", "tried", selection=Selection(kinds=tuple(sorted(set(made.measure.per_kinds)))))
    return f"{made.read('events')} / nullif({tried}, 0)", ((f"{tried} = 0", "not_applicable"),)


def _share_reached(made: _Making) -> _ValueAndStates:
    aims = Selection(kinds=tuple(sorted(set(made.measure.per_kinds))), features=made.selection.features)
    reached, wanted = made.read("features"), made.read("features", "wanted", selection=aims)
    aimed = made.read("events", "aimed", selection=aims)
    return f"least({reached}, {wanted}) / nullif({wanted}, 0)", ((f"{aimed} = 0", "not_applicable"),)


def _trend(made: _Making) -> _ValueAndStates:
    width = made.measure.window_days or 0
    newer, older = made.read("events"), made.read("events", "before", window=Window(days=width, skip=width))
    states = (
        (f"g.stage_day < {literal(2 * width)}", "not_due"),
        (f"{newer} + {older} = 0", "not_applicable"),
    )
    return f"({newer} - {older}) / nullif({newer} + {older}, 0)", states


_BY_AGGREGATE = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "last": _last,
    "distinct_users": lambda made: _distinct(made, "users"),
    "distinct_features": lambda made: _distinct(made, "features"),
    "active_days": _active_days,
    "share_of_seats": _share_of_seats,
    "share_of": _share_of,
    "days_since_last": _days_since_last,
    "days_to_first": _days_to_first,
    "milestone_days_late": _milestone_days_late,
    "steps_skipped": _steps_skipped,
    "rate": _rate,
    "share_reached": _share_reached,
    "trend": _trend,
}
