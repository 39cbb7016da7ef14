"""Which accounts of a snapshot fulfil a condition of the spec, written like the `sql` of a measure.

A condition that a gap leaves open does not hold.
"""

from __future__ import annotations

import pandas as pd

from churnfit.history.expressions import parse_expression
from churnfit.history.sql import identifier
from churnfit.spec import ScorecardSpec

__all__ = ["overruled_by_rule", "ready_to_move", "require_conditions"]

_ACCOUNT_COLUMNS = ("arr", "segment", "stage_day")
"""What a snapshot has of the account."""
_FOUND = "rule__found"  # no measure's name has two underscores


def require_conditions(spec: ScorecardSpec) -> None:
    """Return when every condition of the spec can be read.

    Raises
    ------
    SpecError
        CF505 when one is not one expression of what is allowed; CF504 when it reads what does not exist.
    """
    _rules(spec)
    _next_stage(spec)


def overruled_by_rule(measured: pd.DataFrame, spec: ScorecardSpec) -> dict[str, int]:
    """Return by account which of the spec's override rules holds: of several that of the worst band, then the first.

    Parameters
    ----------
    measured : pandas.DataFrame
        A snapshot of one date.
    spec : ScorecardSpec
        Its `overrides`.
    """
    conditions = _rules(spec)
    worst_first = sorted(range(len(conditions)), key=lambda place: _WORST_FIRST.index(spec.overrides[place].band))
    return _first_that_holds(measured, [(conditions[place], place) for place in worst_first])


def ready_to_move(measured: pd.DataFrame, spec: ScorecardSpec) -> set[str]:
    """Return the accounts of a snapshot of one date that fulfil ``next_stage.when``; nobody without it."""
    return set(_first_that_holds(measured, [(condition, 0) for condition in _next_stage(spec)]))


def _rules(spec: ScorecardSpec) -> list[str]:
    """Return the condition of each override rule as SQL over a snapshot."""
    return [_sql(rule.when, f"overrides[{place}].when", spec) for place, rule in enumerate(spec.overrides)]


def _next_stage(spec: ScorecardSpec) -> list[str]:
    """Return the condition of the next stage as SQL over a snapshot, in a list that is empty without one."""
    return [] if spec.next_stage is None else [_sql(spec.next_stage.when, "next_stage.when", spec)]


def _sql(condition: str, where: str, spec: ScorecardSpec) -> str:
    return parse_expression(condition, where=where, measures=spec.measures, account=_ACCOUNT_COLUMNS).sql


def _first_that_holds(measured: pd.DataFrame, conditions: list[tuple[str, int]]) -> dict[str, int]:
    """Return by account the number that goes with the first of `conditions` that holds of it."""
    import duckdb

    if not conditions:
        return {}
    account = ", ".join(f"{name} AS {identifier(f'account__{name}')}" for name in _ACCOUNT_COLUMNS)
    cases = " ".join(f"WHEN TRY(CAST({condition} AS BOOLEAN)) THEN {place}" for condition, place in conditions)
    with duckdb.connect(":memory:") as con:
        con.register("measured_given", measured)
        found = con.execute(
            f"SELECT account_id, CASE {cases} END AS {_FOUND} FROM (SELECT *, {account} FROM measured_given) "
            f"WHERE {_FOUND} IS NOT NULL"
        ).fetchall()
    return dict(found)


_WORST_FIRST = ("red", "amber", "green")
