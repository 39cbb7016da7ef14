"""The `sql` of a measure: one checked expression over other measures of the same row and columns of its account.

For the arithmetic that no aggregate offers, ``tickets_28d / nullif(logins_28d, 0)`` or ``account.arr / account.seats``.
What is written is parsed, held against a list of what is allowed, and written anew; nothing else reaches the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from churnfit.errors import SpecError
from churnfit.spec import nearest

__all__ = ["ACCOUNT_COLUMNS", "Expression", "parse_expression"]

ACCOUNT_COLUMNS = ("arr", "goal", "seats", "segment", "stage_day")
"""What an expression may read of the account, as ``account.<column>``."""

_ACCOUNT = "account__"  # no measure's name has two underscores
_ALLOWED = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is,
    exp.And, exp.Or, exp.Not, exp.Case, exp.If,
    exp.Abs, exp.Ceil, exp.Coalesce, exp.Exp, exp.Floor, exp.Greatest, exp.Least, exp.Ln,
    exp.Nullif, exp.Round, exp.Sqrt,
)  # fmt: skip
_FUNCTIONS = "abs, ceil, coalesce, exp, floor, greatest, least, ln, nullif, round, sqrt"


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A checked expression: its SQL over quoted columns, and the measures it reads, in order of appearance.

    Measures are columns of their own name, columns of the account ``account__<column>``.
    """

    sql: str
    measures: tuple[str, ...]


def parse_expression(
    text: str, *, where: str, measures: Iterable[str], account: Sequence[str] = ACCOUNT_COLUMNS
) -> Expression:
    """Return `text` as a checked expression.

    Parameters
    ----------
    text : str
        As in the spec.
    where : str
        The key of the spec, for the error.
    measures : iterable of str
        The measures it may read: those from events, attributes or columns of the account.
    account : sequence of str
        The columns of the account it may read.

    Raises
    ------
    SpecError
        CF505 when it is not one expression of what is allowed; CF504 when it reads what does not exist.

    Examples
    --------
    >>> parse_expression("tickets / nullif(account.seats, 0)", where="measures.m.sql", measures=["tickets"]).sql
    '"tickets" / NULLIF("account__seats", 0)'
    """
    try:
        statements = parse(text, dialect="duckdb")
    except SqlglotError as fault:
        raise _refused(where, str(fault).splitlines()[0][:200]) from fault
    if len(statements) != 1 or statements[0] is None:
        raise _refused(where, f"{len(statements)} statements")
    tree = statements[0]
    for node in tree.walk():
        if not isinstance(node, _ALLOWED) or node.args.get("query") is not None:
            raise _refused(where, f"{type(node).__name__.upper()} in {node.sql(dialect='duckdb')[:100]}")
    known = list(measures)
    columns = [_column(column, where, known, account) for column in tree.find_all(exp.Column, bfs=False)]
    renamed = tree.transform(
        lambda node: (
            exp.column(_column(node, where, known, account), quoted=True) if isinstance(node, exp.Column) else node
        )
    )
    read = (name for name in columns if not name.startswith(_ACCOUNT))
    return Expression(sql=renamed.sql(dialect="duckdb"), measures=tuple(dict.fromkeys(read)))


def _column(column: exp.Column, where: str, known: list[str], account: Sequence[str]) -> str:
    if column.table == "account" and column.name in account:
        return f"{_ACCOUNT}{column.name}"
    if not column.table and column.name in known:
        return column.name
    written = column.sql(dialect="duckdb")
    valid = [*known, *(f"account.{name}" for name in account)]
    raise SpecError(
        "CF504",
        where=where,
        expected="measures that read events or columns, or account.<column>",
        came=f"'{written}'",
        fix=f"Correct it; {nearest(written, valid)}.",
    )


def _refused(where: str, came: str) -> SpecError:
    return SpecError(
        "CF505",
        where=where,
        expected=f"one expression of + - * / %, comparisons, AND, OR, NOT, CASE, IN, BETWEEN, and {_FUNCTIONS}",
        came=came,
        fix="Write the measure with these, or compute it in a `sql` source.",
    )
