"""Which accounts of a snapshot fulfil a condition of the spec, written like the `sql` of a measure."""

from __future__ import annotations

import pandas as pd

from churnfit.history.expressions import parse_expression
from churnfit.history.sql import identifier
from churnfit.spec import ScorecardSpec

__all__ = ["overruled_by_rule", "require_conditions"]

_ACCOUNT_COLUMNS = ("arr", "segment", "stage_day")
"""What a snapshot has of the account."""


def require_conditions(spec: ScorecardSpec) -> list[str]:
    """Return the condition of each of the spec's override rules as SQL over a snapshot.

    Raises
    ------
    SpecError
        CF505 when one is not one expression of what is allowed; CF504 when it reads what does not exist.
    """
    return [
        parse_expression(
            rule.when, where=f"overrides[{place}].when", measures=spec.measures, account=_ACCOUNT_COLUMNS
        ).sql
        for place, rule in enumerate(spec.overrides)
    ]


def overruled_by_rule(measured: pd.DataFrame, spec: ScorecardSpec) -> dict[str, int]:
    """Return by account which of the spec's override rules holds: of several that of the worst band, then the first.

    A condition that a gap leaves open does not hold.

    Parameters
    ----------
    measured : pandas.DataFrame
        A snapshot of one date.
    spec : ScorecardSpec
        Its `overrides`.
    """
    import duckdb

    conditions = require_conditions(spec)
    if not conditions:
        return {}
    account = ", ".join(f"{name} AS {identifier(f'account__{name}')}" for name in _ACCOUNT_COLUMNS)
    worst_first = sorted(range(len(conditions)), key=lambda place: _WORST_FIRST.index(spec.overrides[place].band))
    cases = " ".join(f"WHEN TRY(CAST({conditions[place]} AS BOOLEAN)) THEN {place}" for place in worst_first)
    with duckdb.connect(":memory:") as con:
        con.register("measured_given", measured)
        found = con.execute(
            f"SELECT account_id, CASE {cases} END AS place FROM (SELECT *, {account} FROM measured_given) "
            "WHERE place IS NOT NULL"
        ).fetchall()
    return dict(found)


_WORST_FIRST = ("red", "amber", "green")
