"""One declared measure, as SQL: what to aggregate, the value, and the states in which there is none.

The SQL reads two relations that `churnfit.history.snapshot` joins: ``e``, an account's events known at as_of, beside
``g``, the grid row (account_id, as_of, started_at, segment, seats, stage_day).

Windows are half-open: [as_of - window_days, as_of), or [started_at, as_of) without `window_days`. Only an explicit
window may reach before the start of the stage; a kind that happens before it (a visit before the course) needs one
that is long enough.

States, the first that holds:

1. ``not_applicable``: the segment is not among `segments`;
2. ``not_due``: before `due_day`;
3. ``not_applicable`` or ``not_due`` of the aggregate: no seats to share; a stage shorter than a trend's two windows, or
   no events in either;
4. ``no_answer``: asked within the window, not answered;
5. ``stale``: the newest event ever is older than `validity_days`;
6. ``not_due``: with an `asked_kind`, nothing asked yet;
7. ``never``: a dated thing has not happened;
8. ``missing``: anything else without a value.

No events are a true 0 for counts and sums; but where events exist whose users, features or values were not recorded,
the value is ``missing``. Days are whole days of 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass

from churnfit.history.sql import any_of, identifier, literal
from churnfit.spec import Measure

__all__ = ["MeasureSql", "column_of", "event_kinds", "measure_sql"]


@dataclass(frozen=True, kw_only=True)
class MeasureSql:
    """A measure in SQL.

    Parameters
    ----------
    aggregates : dict of str to str
        Column name to aggregate over ``e`` joined to ``g``; the names are the measure's own (``<measure>__n``).
    value : str
        The value over ``g`` and the aggregates; null where there is none.
    states : tuple of (condition, state)
        The first condition that holds gives the state and makes the value null.
    """

    aggregates: dict[str, str]
    value: str
    states: tuple[tuple[str, str], ...]


def column_of(name: str, measure: Measure) -> str | None:
    """Return the column that an attribute or a wide-table measure reads; None for measures from events."""
    if measure.aggregate in ("attribute", "column"):
        return measure.column or name
    return None


def event_kinds(measures: dict[str, Measure]) -> list[str]:
    """Return the kinds of events that `measures` read, sorted; nothing else need be scanned."""
    kinds = {kind for measure in measures.values() for kind in measure.kinds}
    return sorted(kinds | {measure.asked_kind for measure in measures.values() if measure.asked_kind})


def measure_sql(name: str, measure: Measure) -> MeasureSql:
    """Return the SQL of one measure called `name`."""
    column = column_of(name, measure)
    states = _common_states(measure)
    if column is not None:
        # an empty text is a gap; numbers are already finite or null
        value = f"a.{identifier(column)}"
        return MeasureSql(
            aggregates={}, value=value, states=(*states, (f"trim(CAST({value} AS VARCHAR)) = ''", "missing"))
        )
    part = _Parts(name=name, measure=measure)
    aggregates, value, own = _BY_AGGREGATE[measure.aggregate](part)
    if measure.asked_kind is not None:
        asked = f"e.kind = {literal(measure.asked_kind)} AND e.occurred_at >= {part.lower()}"
        aggregates[part.column("asked")] = f"count(*) FILTER (WHERE {asked})"
        own = ((f"{value} IS NULL AND {part.column('asked')} > 0", "no_answer"),)
    stale: tuple[tuple[str, str], ...] = ()
    if measure.validity_days is not None:
        aggregates[part.column("newest")] = f"max(e.occurred_at) FILTER (WHERE {part.selected()})"
        stale = ((f"{part.column('newest')} < g.as_of - to_days({literal(measure.validity_days)})", "stale"),)
    unasked = ((f"{value} IS NULL", "not_due"),) if measure.asked_kind is not None else ()
    never = tuple(state for state in own if state[1] == "never")
    early = tuple(state for state in own if state[1] != "never")
    return MeasureSql(aggregates=aggregates, value=value, states=(*states, *early, *stale, *unasked, *never))


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The pieces that the aggregates of one measure share."""

    name: str
    measure: Measure

    def column(self, part: str) -> str:
        return identifier(f"{self.name}__{part}")

    def selected(self) -> str:
        filters = [f"e.kind IN {any_of(self.measure.kinds)}"]
        filters += [f"e.{identifier(field)} IN {any_of(values)}" for field, values in self.measure.where.items()]
        return " AND ".join(filters)

    def lower(self, windows: int = 1) -> str:
        if self.measure.window_days is None:
            return "g.started_at"
        return f"g.as_of - to_days({literal(self.measure.window_days * windows)})"

    def within(self, also: str = "TRUE") -> str:
        return f"FILTER (WHERE {self.selected()} AND e.occurred_at >= {self.lower()} AND {also})"


_Sql = tuple[dict[str, str], str, tuple[tuple[str, str], ...]]


def _common_states(measure: Measure) -> tuple[tuple[str, str], ...]:
    states = []
    if measure.segments:
        states.append((f"g.segment IS NULL OR g.segment NOT IN {any_of(measure.segments)}", "not_applicable"))
    if measure.due_day is not None:
        states.append((f"g.stage_day < {literal(measure.due_day)}", "not_due"))
    return tuple(states)


def _count(part: _Parts) -> _Sql:
    n = part.column("n")
    return {n: f"count(*) {part.within()}"}, f"coalesce({n}, 0)", ()


def _active_days(part: _Parts) -> _Sql:
    n = part.column("n")
    return {n: f"count(DISTINCT date_trunc('day', e.occurred_at)) {part.within()}"}, f"coalesce({n}, 0)", ()


def _sum(part: _Parts) -> _Sql:
    n, total = part.column("n"), part.column("total")
    aggregates = {n: f"count(*) {part.within()}", total: f"sum(e.value ORDER BY e.value) {part.within()}"}
    return aggregates, f"CASE WHEN coalesce({n}, 0) = 0 THEN 0 ELSE {total} END", ()


def _mean(part: _Parts) -> _Sql:
    # sums in the order of the values: the same events give the same bits, however they are stored
    n, total = part.column("n"), part.column("total")
    aggregates = {n: f"count(e.value) {part.within()}", total: f"sum(e.value ORDER BY e.value) {part.within()}"}
    return aggregates, f"CASE WHEN {n} > 0 THEN {total} / {n} END", ()


def _last(part: _Parts) -> _Sql:
    last = part.column("last")
    order = "row(e.occurred_at, e.recorded_at, e.value)"
    return {last: f"arg_max(e.value, {order}) {part.within('e.value IS NOT NULL')}"}, last, ()


def _distinct(part: _Parts, field: str) -> _Sql:
    n, distinct = part.column("n"), part.column("distinct")
    aggregates = {n: f"count(*) {part.within()}", distinct: f"count(DISTINCT e.{field}) {part.within()}"}
    return aggregates, f"CASE WHEN coalesce({n}, 0) = 0 THEN 0 WHEN {distinct} > 0 THEN {distinct} END", ()


def _share_of_seats(part: _Parts) -> _Sql:
    aggregates, users, _ = _distinct(part, "user_id")
    return aggregates, f"({users}) / nullif(g.seats, 0)", (("coalesce(g.seats, 0) = 0", "not_applicable"),)


def _share_of(part: _Parts) -> _Sql:
    distinct = part.column("distinct")
    seen = part.within(f"e.feature IN {any_of(part.measure.of)}")
    share = f"coalesce({distinct}, 0) / {literal(float(len(set(part.measure.of))))}"
    return {distinct: f"count(DISTINCT e.feature) {seen}"}, share, ()


def _days_since_last(part: _Parts) -> _Sql:
    last = part.column("last")
    days = f"date_sub('day', {last}, g.as_of)"
    return {last: f"max(e.occurred_at) {part.within()}"}, days, ((f"{last} IS NULL", "never"),)


def _days_to_first(part: _Parts) -> _Sql:
    first = part.column("first")
    days = f"date_sub('day', g.started_at, {first})"
    return {first: f"min(e.occurred_at) {part.within()}"}, days, ((f"{first} IS NULL", "never"),)


def _trend(part: _Parts) -> _Sql:
    newer, older = part.column("newer"), part.column("older")
    before = f"e.occurred_at >= {part.lower(2)} AND e.occurred_at < {part.lower()}"
    aggregates = {
        newer: f"count(*) {part.within()}",
        older: f"count(*) FILTER (WHERE {part.selected()} AND {before})",
    }
    both = f"(coalesce({newer}, 0) + coalesce({older}, 0))"
    window_days = part.measure.window_days or 0
    states = (
        (f"g.stage_day < {literal(2 * window_days)}", "not_due"),
        (f"{both} = 0", "not_applicable"),
    )
    return aggregates, f"(coalesce({newer}, 0) - coalesce({older}, 0)) / nullif({both}, 0)", states


_BY_AGGREGATE = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "last": _last,
    "distinct_users": lambda part: _distinct(part, "user_id"),
    "distinct_features": lambda part: _distinct(part, "feature"),
    "active_days": _active_days,
    "share_of_seats": _share_of_seats,
    "share_of": _share_of,
    "days_since_last": _days_since_last,
    "days_to_first": _days_to_first,
    "trend": _trend,
}
