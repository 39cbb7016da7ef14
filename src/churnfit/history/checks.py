"""Every fault of the opened sources at once, each with a count and at most five examples.

Structural faults (a missing file or column, a wrong type) were raised when the sources were opened. An *error* stops
`fit`; a *warning* is worth a look, and its `fix` says what churnfit does about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnfit.errors import DataError, count_and_examples
from churnfit.history.conditions import require_conditions
from churnfit.history.files import cell
from churnfit.history.measures import column_of, event_kinds
from churnfit.history.rules import Finding, Rule, broken_rules, row_rules
from churnfit.history.sql import any_of, column_types, identifier
from churnfit.spec import ScorecardSpec, nearest
from churnfit.tables import ACCOUNTS, MEASURES

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["Finding", "check_sources", "columns_exist", "require_clean", "rules_of"]

_MOSTLY = 0.5  # a text column with more numbers than this was meant to be a column of numbers


def check_sources(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp) -> list[Finding]:
    """Return every finding: errors first, then by code and place.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`.
    spec : ScorecardSpec
        Its measures, kinds and playbooks are held against the data.
    observed_to : pandas.Timestamp
        Aware. Facts dated more than one day later lie in the future (a day, because clocks and zones differ).

    Raises
    ------
    SpecError
        CF505 or CF504 when an override rule's condition cannot be read.
    """
    require_conditions(spec)
    wide = spec.sources.measures is not None
    contract = MEASURES if wide else ACCOUNTS
    types = column_types(con, contract.name)
    findings = broken_rules(con, rules_of(con, spec, observed_to=observed_to))
    findings += columns_exist(spec, contract.name, list(types)) or _columns_hold_something(con, spec, contract.name)
    findings += _numbers_are_numbers(con, spec, contract.name, types)
    findings += _measures_can_be_acted_on(spec)
    if not wide:
        findings += _kinds_happen(con, spec) + _features_happen(con, spec)
    return sorted(findings, key=lambda finding: (finding.severity, finding.code, finding.where))


def rules_of(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, *, observed_to: pd.Timestamp) -> list[Rule]:
    """Return the rules that every row of the opened tables must keep."""
    wide = spec.sources.measures is not None
    contract = MEASURES if wide else ACCOUNTS
    declared = {column.name for column in contract.columns}
    types = column_types(con, contract.name)
    extra = [name for name, type_ in types.items() if type_ == "DOUBLE" and name not in declared]
    return row_rules(wide=wide, extra_numbers=extra, observed_to=observed_to)


def require_clean(findings: list[Finding]) -> None:
    """Return when no finding is an error.

    Raises
    ------
    DataError
        The first error, with how many more there are.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        first, more = errors[0], len(errors) - 1
        also = f" And {more} more; `churnfit check` lists all." if more else ""
        raise DataError(first.code, where=first.where, expected=first.expected, came=first.came, fix=first.fix + also)


def columns_exist(spec: ScorecardSpec, table: str, present: list[str]) -> list[Finding]:
    """Return a finding for each measure whose account attribute or wide-table column is not among `present`."""
    known = {name.lower() for name in present}
    findings = []
    for name, measure in spec.measures.items():
        column = column_of(name, measure)
        if column is not None and column.lower() not in known:
            findings.append(
                Finding(
                    code="CF217",
                    severity="error",
                    where=f"measures.{name}",
                    expected=f"a column '{column}' in {table}",
                    came=f"none; {nearest(column, present)}",
                    fix="Correct `column`, or add it to the source.",
                )
            )
    return findings


def _columns_hold_something(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, table: str) -> list[Finding]:
    """Return a finding for each measure whose account attribute or wide-table column has no value in any row."""
    read = {name: column for name, measure in spec.measures.items() if (column := column_of(name, measure)) is not None}
    if not read:
        return []
    counts = con.execute(f"SELECT {', '.join(f'count({identifier(each)})' for each in read.values())} FROM {table}")
    return [
        Finding(
            code="CF201",
            severity="error",
            where=f"measures.{name}",
            expected=f"a value of column '{column}' in some row of {table}",
            came="gaps alone, or no such column",
            fix="Bring it back into the source, or leave the measure out.",
        )
        for (name, column), filled in zip(read.items(), counts.fetchall()[0], strict=True)
        if not filled
    ]


def _numbers_are_numbers(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, table: str, types: dict[str, str]
) -> list[Finding]:
    """Return a finding for each measure whose column is text although most of it, or all that uses it, is numbers."""
    read = {name: column_of(name, measure) for name, measure in spec.measures.items()}
    findings = []
    for name, column in read.items():
        if column is None or types.get(column) != "VARCHAR":
            continue
        text = cell(column)
        number = f"TRY_CAST({text} AS DOUBLE) IS NOT NULL"
        share, examples = con.execute(
            f"SELECT avg(CAST({number} AS INT)), array_to_string(min({text}, 5) FILTER (WHERE NOT {number}), ', ') "
            f"FROM {identifier(table)} WHERE {text} IS NOT NULL"
        ).fetchall()[0]
        as_numbers = spec.measures[name].shape != "auto" or name in spec.baseline
        if as_numbers or _MOSTLY <= (share or 0.0) < 1.0:
            findings.append(
                Finding(
                    code="CF212",
                    severity="error",
                    where=f"measures.{name}",
                    expected=f"numbers in column '{column}'",
                    came=f"text such as {examples}",
                    fix="Mend those cells or make them gaps; text is learned as a category, without shape or baseline.",
                )
            )
    return findings


def _measures_can_be_acted_on(spec: ScorecardSpec) -> list[Finding]:
    findings = []
    for name, measure in spec.measures.items():
        if measure.actionable and spec.playbook_of(name) is None:
            findings.append(
                Finding(
                    code="CF504",
                    severity="error",
                    where=f"measures.{name}.playbook",
                    expected="a playbook, of the measure or of its group",
                    came="none",
                    fix="Name one, or set actionable = false.",
                )
            )
        if measure.actor == "internal" and not measure.leak_checked:
            findings.append(
                Finding(
                    code="CF109",
                    severity="error",
                    where=f"measures.{name}",
                    expected="measures of what the customer did",
                    came="actor = 'internal'",
                    fix="Remove it, or set leak_checked = true once you know that nobody acts "
                    "on accounts because they are about to churn.",
                )
            )
    return findings


def _kinds_happen(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec) -> list[Finding]:
    present = [
        row[0] for row in con.execute("SELECT DISTINCT kind FROM events_summary WHERE kind IS NOT NULL").fetchall()
    ]
    findings = []
    for kind in event_kinds(spec.measures):
        if kind not in present:
            used = [name for name, measure in spec.measures.items() if kind in event_kinds({name: measure})]
            findings.append(
                Finding(
                    code="CF504",
                    severity="error",
                    where=f"measures.{', measures.'.join(used[:5])}",
                    expected=f"events of kind '{kind}'",
                    came=f"none; {_short(nearest(kind, present))}",
                    fix="Correct the kind, or add the source that brings it.",
                )
            )
    return findings


def _features_happen(con: duckdb.DuckDBPyConnection, spec: ScorecardSpec) -> list[Finding]:
    findings = []
    for name, measure in spec.measures.items():
        of_goals = (feature for features in measure.of_goal.values() for feature in features)
        named = [*measure.of, *of_goals, *measure.where.get("feature", [])]
        if not named:
            continue
        query = (
            f"SELECT DISTINCT feature FROM events_summary WHERE feature IS NOT NULL AND kind IN {any_of(measure.kinds)}"
        )
        present = [row[0] for row in con.execute(query).fetchall()]
        unseen = [feature for feature in dict.fromkeys(named) if feature not in present]
        if unseen:
            hint = _short(nearest(unseen[0], present))
            findings.append(
                Finding(
                    code="CF504",
                    severity="warning",
                    where=f"measures.{name}",
                    expected="features that occur in its events",
                    came=f"never seen: {count_and_examples(unseen)}; {hint}",
                    fix="They count as not done; correct their names.",
                )
            )
    return findings


def _short(hint: str) -> str:
    # a list of all valid names may be as long as the data
    return hint if len(hint) <= 200 else f"{hint[:200]}…"
