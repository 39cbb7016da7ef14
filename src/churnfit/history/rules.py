"""What must hold in each row of the opened tables, as a table of rules, and the findings they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from churnfit.errors import count_and_examples
from churnfit.history.readings import LARGEST_VALUE
from churnfit.history.sql import identifier, literal
from churnfit.tables import ACCOUNTS, EVENTS, INTERVENTIONS, MEASURES, Column, TableContract

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["Finding", "Rule", "broken_rules", "row_rules"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault: its code, how bad it is, and the four parts of an error message."""

    code: str
    severity: Literal["error", "warning"]
    where: str
    expected: str
    came: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that must hold in `relation`.

    Parameters
    ----------
    broken : str
        SQL condition of the rows that break it.
    example : str
        SQL text that tells a reader which row it is.
    rows : str
        SQL condition of the faulty rows of the table itself, where `relation` is another.
    """

    code: str
    severity: Literal["error", "warning"] = "error"
    relation: str
    where: str
    broken: str
    example: str = "account_id"
    expected: str
    came: str
    fix: str
    rows: str = ""

    @property
    def table(self) -> str:
        """The table whose rows may be faulty."""
        return self.where.partition(".")[0].partition(" ")[0]

    @property
    def column(self) -> str:
        """The column whose value is at fault."""
        return self.where.partition(".")[2] or "account_id"


def broken_rules(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> list[Finding]:
    """Return a finding for each rule that some row breaks; one scan per relation, and one more per broken rule.

    Events are looked through where their summary breaks a rule.
    """
    findings = []
    for relation in dict.fromkeys(rule.relation for rule in rules):
        asked = [rule for rule in rules if rule.relation == relation]
        if relation == EVENTS.name and not any(_totals(con, asked, "events_summary")):
            continue
        totals = _totals(con, asked, relation)
        findings += [_finding(con, rule, total) for rule, total in zip(asked, totals, strict=True) if total]
    return findings


def _totals(con: duckdb.DuckDBPyConnection, rules: list[Rule], relation: str) -> tuple[int, ...]:
    """Return of how many rows of `relation` each rule is broken."""
    counts = ", ".join(f"count(*) FILTER (WHERE {rule.broken})" for rule in rules)
    totals: tuple[int, ...] = con.execute(f"SELECT {counts} FROM {relation}").fetchall()[0]
    return totals


def _finding(con: duckdb.DuckDBPyConnection, rule: Rule, total: int) -> Finding:
    # asked apart: beside FILTER, DuckDB would write out every row's example. min(x, 5) is the five smallest: the same
    # ones however the rows are stored
    query = f"SELECT min({rule.example}, 5) FROM {rule.relation} WHERE {rule.broken}"
    examples = con.execute(query).fetchall()[0][0]
    return Finding(
        code=rule.code,
        severity=rule.severity,
        where=rule.where,
        expected=rule.expected,
        came=f"{rule.came}: {count_and_examples(examples or [], total)}",
        fix=rule.fix,
    )


def row_rules(*, wide: bool, extra_numbers: list[str], observed_to: pd.Timestamp) -> list[Rule]:
    """Return the rules of the tables that a spec opens.

    Parameters
    ----------
    wide : bool
        ``measures`` instead of ``accounts`` and ``events``.
    extra_numbers : list of str
        Number columns beyond the contract, which must be finite too.
    observed_to : pandas.Timestamp
        Facts dated more than one day later lie in the future.
    """
    main = MEASURES if wide else ACCOUNTS
    rules = []
    for contract in (main, INTERVENTIONS) if wide else (main, EVENTS, INTERVENTIONS):
        for column in contract.columns:
            rules += _column_rules(contract, column, observed_to)
    for name in extra_numbers:
        rules.append(_finite(main.name, name))
    rules += [_no_nul(main.name, column.name) for column in main.columns if column.type == "text"]
    rules += _key_rules(main)
    rules += _holdout_rules()
    rules += _label_rules() if wide else [*_date_rules(), *_event_rules()]
    return rules


def _column_rules(contract: TableContract, column: Column, observed_to: pd.Timestamp) -> list[Rule]:
    name, table = column.name, contract.name
    where, quoted = f"{table}.{name}", identifier(column.name)
    rules = []
    if column.filled:
        blank = f"{quoted} IS NULL" + (f" OR trim({quoted}) = ''" if column.type == "text" else "")
        rules.append(
            Rule(
                code="CF201",
                relation=table,
                where=where,
                broken=blank,
                example="coalesce(nullif(trim(account_id), ''), '(no id)')",
                expected="a value in every row",
                came="gaps in rows of",
                fix="Fill or remove these rows in the source.",
            )
        )
    if column.non_negative:
        rules.append(
            Rule(
                code="CF207",
                relation=table,
                where=where,
                broken=f"{quoted} < 0",
                expected="numbers >= 0",
                came="negative values in rows of",
                fix="Correct these rows in the source.",
            )
        )
    if column.type != "text" and name != "recorded_at":
        rules.append(_finite(table, name))
    if column.type == "timestamp" and not column.may_be_future:
        latest = f"{literal(observed_to.to_pydatetime(warn=False))} + to_days(1)"
        # recorded_at defaults to occurred_at: the same fault is told once
        own = " AND recorded_at <> occurred_at" if name == "recorded_at" else ""
        rules.append(
            Rule(
                code="CF313",
                relation=table,
                where=where,
                broken=f"isfinite({quoted}) AND {quoted} > {latest}{own}",
                example=f"account_id || ' ' || strftime({quoted}, '%Y-%m-%d')",
                expected=f"dates up to {observed_to:%Y-%m-%d}",
                came="later dates in rows of",
                fix="Correct them, or say the last day the sources know in cohort.observed_to.",
            )
        )
    return rules


def _finite(table: str, name: str) -> Rule:
    return Rule(
        code="CF202",
        relation=table,
        where=f"{table}.{name}",
        broken=f"NOT isfinite({identifier(name)})",
        expected="finite values",
        came="infinite values in rows of",
        fix="Leave a gap where nothing is known.",
    )


def _no_nul(table: str, name: str) -> Rule:
    """Return the rule that text goes into every database: PostgreSQL takes no NUL."""
    return Rule(
        code="CF212",
        relation=table,
        where=f"{table}.{name}",
        broken=f"contains({identifier(name)}, chr(0))",
        expected="text without NUL bytes",
        came="such bytes in rows of",
        fix="Write the export again: it is damaged, or in another encoding.",
    )


def _key_rules(contract: TableContract) -> list[Rule]:
    key, table = ", ".join(contract.key), contract.name
    doubles = f"(SELECT {key} FROM {table} WHERE account_id IS NOT NULL GROUP BY {key} HAVING count(*) > 1)"
    twins = (
        f"(SELECT min(account_id) || ' = ' || max(account_id) AS twins FROM {table} "
        "GROUP BY lower(trim(account_id)) HAVING count(DISTINCT account_id) > 1)"
    )
    return [
        Rule(
            code="CF104",
            relation=doubles,
            where=f"{table} ({key})",
            broken="TRUE",
            expected="one row per key",
            came="keys with several rows",
            fix="Keep the newest row of each in the source.",
            rows=f"({key}) IN {doubles}",
        ),
        Rule(
            code="CF104",
            severity="warning",
            relation=twins,
            where=f"{table}.account_id",
            broken="TRUE",
            example="twins",
            expected="ids that differ by more than case and spaces",
            came="ids that look like one account",
            fix="Make them one in the source if they are; churnfit keeps them apart.",
        ),
    ]


def _date_rules() -> list[Rule]:
    return [
        # a warning: customers do leave before their stage begins, and such rows are excluded at every as_of
        Rule(
            code="CF107",
            severity="warning",
            relation="accounts",
            where="accounts.churned_at",
            broken="churned_at <= started_at",
            expected="churn after the start",
            came="churn at or before the start of",
            fix="They never train or score; correct them if the dates are wrong.",
        ),
    ]


def _event_rules() -> list[Rule]:
    unknown = (
        "(SELECT DISTINCT account_id FROM events_summary WHERE account_id IS NOT NULL "
        "AND account_id NOT IN (SELECT account_id FROM accounts WHERE account_id IS NOT NULL))"
    )
    return [
        Rule(
            code="CF203",
            relation="events",
            where="events.value",
            broken=f"isfinite(value) AND abs(value) >= {literal(LARGEST_VALUE)}",
            expected=f"values below {LARGEST_VALUE:.0e}",
            came="larger ones in rows of",
            fix="Write them in a larger unit, for example in millions.",
        ),
        Rule(
            code="CF107",
            severity="warning",
            relation="events",
            where="events.recorded_at",
            broken="recorded_at < occurred_at",
            expected="facts recorded when they happened or later",
            came="earlier ones in rows of",
            fix="They count from occurred_at; check clocks and planned events.",
        ),
        Rule(
            code="CF104",
            severity="warning",
            relation=unknown,
            where="events.account_id",
            broken="TRUE",
            expected="accounts that are in the accounts table",
            came="events of unknown accounts",
            fix="They are not used; check that both sources write ids alike.",
        ),
    ]


def _holdout_rules() -> list[Rule]:
    allowed = {
        "held_out": ("held_out NOT IN (0, 1)", "0 or 1: whether the account was deliberately left alone"),
        "holdout_share": (
            "NOT (holdout_share > 0 AND holdout_share < 1)",
            "the chance of being held out, within 0 and 1",
        ),
    }
    return [
        Rule(
            code="CF105",
            relation="interventions",
            where=f"interventions.{name}",
            broken=broken,
            expected=expected,
            came="other values in rows of",
            fix="Correct them in the source, or leave the column out.",
        )
        for name, (broken, expected) in allowed.items()
    ]


def _label_rules() -> list[Rule]:
    return [
        Rule(
            code="CF105",
            relation="measures",
            where="measures.churned",
            broken="churned NOT IN (0, 1)",
            example="account_id || ' ' || churned",
            expected="0 or 1",
            came="other labels in rows of",
            fix="Map them in the source: churned = 1, stayed = 0.",
        ),
    ]
