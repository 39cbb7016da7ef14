"""A card as one SQL query over a table of measures: points, health, churn probability, band, coverage, top reasons.

Points, health, band and coverage are those of `Scorecard` to the last bit, because points lie on a grid of 1/1024 and
numbers are written as doubles (``27.8e0``), never as decimals; probabilities differ by what `exp` differs, far below
1e-9. Everything is built as a syntax tree; names and texts are quoted by sqlglot.

DuckDB 2.0 takes the word of a Parquet file's statistics that it holds no NaN (duckdb#25521): files that pyarrow or
Spark wrote with real NaN must be read with ``can_have_nan = true``. What churnfit writes has nulls instead.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from sqlglot import exp

from churnfit.scorecard.calibration import BEYOND
from churnfit.scorecard.card import CardMeasure, Scorecard
from churnfit.scorecard.contract import input_columns
from churnfit.scorecard.coverage import INAPPLICABLE_STATES, KNOWN_STATES
from churnfit.scorecard.pairs import NO_DATA, Cells, Pair, cell_words
from churnfit.scorecard.points import GRAIN, Categorical, Graded, on_grid
from churnfit.tables import STATE_SUFFIX

__all__ = ["DIALECTS", "GENERATED_ONLY", "Dialect", "scoring_sql"]

Dialect = Literal["duckdb", "postgres", "spark", "snowflake", "bigquery"]
DIALECTS: tuple[Dialect, ...] = ("duckdb", "postgres", "spark", "snowflake", "bigquery")
GENERATED_ONLY: frozenset[Dialect] = frozenset({"snowflake", "bigquery"})
"""Dialects whose queries are written and parsed, but were never run by churnfit's tests."""

Tree: TypeAlias = Any  # sqlglot's expressions are untyped where they are built

_MISSING = "missing"


def scoring_sql(
    card: Scorecard, *, table: str, dialect: Dialect, top: int = 3, states: Collection[str] | None = None
) -> str:
    """Return a SELECT that scores every row of `table`.

    Columns: account_id, as_of, segment; health, churn_probability, band, coverage; ``points_<measure>`` in the card's
    order; reason_1 to reason_<top>, the measures that cost most health, with reason_1_points and so on, null where
    fewer cost any.

    Parameters
    ----------
    table : str
        Its name, parts separated by dots: account_id, as_of, segment, the measures the card reads, and their states.
    states : collection of str, optional
        The measures whose state stands in a column ``<measure>__state``; by default all.
    """
    names = {name: kind for name, (kind, required) in input_columns(card).items() if required}
    known = set(names) - {"segment"} if states is None else set(states)
    members = {pair.name: pair for pair in card.pairs}
    lines = [(f"churnfit_p{place}", measure) for place, measure in enumerate(card.measures)]
    # what is reckoned is named churnfit_…: a measure's own name could be taken for it without an error
    value_of = {name: f"churnfit_v{place}" for place, name in enumerate([*names, *members])}
    state_of = {name: f"churnfit_s{place}" for place, name in enumerate(names)}

    given = [exp.column(name, quoted=True) for name in ("account_id", "as_of", "segment")]
    read = [_as(_read(name, kind), value_of[name]) for name, kind in names.items()]
    read += [_as(_state(name, known), state_of[name]) for name in names]
    query = exp.select(*given, *read).from_(_table(table))
    if members:
        query = _over(query, *(_as(_pair(pair, value_of), value_of[name]) for name, pair in members.items()))
    query = _over(query, *(_as(_points(line, value_of, state_of), name) for name, line in lines))
    query = _over(
        query,
        _as(_sum([_col(name) for name, _ in lines]), "churnfit_health"),
        *(_as(each, name) for each, name in zip(_weights(card, value_of, state_of), _WEIGHTS, strict=True)),
        *(_as(_col(name) - _number(line.expected_points), _cost(0, place)) for place, (name, line) in enumerate(lines)),
    )
    query = _over(query, _as(_said_logit(card), "churnfit_said"))
    query = _over(query, _as(_calibrated(card), "churnfit_logit"))
    ranks = min(top, len(lines))
    for rank in range(ranks):
        query = _ranked(query, rank, len(lines))
    return _written(_results(query, card, lines, ranks, top), dialect)


_WEIGHTS = ("churnfit_backed", "churnfit_applicable")


def _results(query: Tree, card: Scorecard, lines: list[tuple[str, CardMeasure]], ranks: int, top: int) -> Tree:
    """Return the last SELECT: the result's columns under their names."""
    logit, health = _col("churnfit_logit"), _col("churnfit_health")
    odds = exp.Exp(this=exp.Neg(this=exp.Abs(this=logit)))
    probability = _divided(_case((logit >= _number(0.0), _number(1.0)), default=odds), _number(1.0) + odds)
    backed, applicable = (_col(name) for name in _WEIGHTS)
    named = {
        "health": health,
        "churn_probability": probability,
        "band": _case(
            (health < _number(card.bands.red_below), _text("red")),
            (health < _number(card.bands.green_from), _text("amber")),
            default=_text("green"),
        ),
        "coverage": _case((applicable > _number(0.0), _divided(backed, applicable)), default=_number(0.0)),
        **{f"points_{line.name}": _col(name) for name, line in lines},
    }
    for rank in range(top):
        picked, cost = _col(_pick(rank)), _col(_least(rank))
        costs = [(picked.eq(_whole(place)).and_(cost < _number(0.0)), line) for place, (_, line) in enumerate(lines)]
        told = [(when, _text(line.name)) for when, line in costs] if rank < ranks else []
        named[f"reason_{rank + 1}"] = _case(*told) if told else exp.cast(exp.null(), "text")
        below = [(cost < _number(0.0), cost)] if rank < ranks else []
        named[f"reason_{rank + 1}_points"] = _case(*below) if below else exp.cast(exp.null(), "double")
    given = [exp.column(name, quoted=True) for name in ("account_id", "as_of", "segment")]
    return _from(query, *given, *(_as(tree, name) for name, tree in named.items()))


def _read(name: str, kind: str) -> Tree:
    """Return a column as text, or as a double that is null where it is NaN."""
    column = exp.column(name, quoted=True)
    if kind == "string":
        return exp.cast(column, "text")
    number = exp.cast(column, "double")
    return _case((exp.Not(this=exp.IsNan(this=number)), number.copy()))


def _state(name: str, known: Collection[str]) -> Tree:
    if name not in known:
        return _text(_MISSING)
    return exp.Coalesce(this=exp.column(name + STATE_SUFFIX, quoted=True), expressions=[_text(_MISSING)])


def _points(measure: CardMeasure, value_of: dict[str, str], state_of: dict[str, str]) -> Tree:
    """Return what a line earns: its curve where there is a value, else the points of the state."""
    value, curve = _col(value_of[measure.name]), measure.curve
    states = dict(measure.missing)
    if measure.name in state_of:
        state = _col(state_of[measure.name])
        told = [(state.eq(_text(name)), _number(measure.state_points(name))) for name in states]
        gap = _case(*told, default=_number(measure.unknown_points)) if told else _number(measure.unknown_points)
    else:
        gap = _number(measure.state_points(None))
    if isinstance(curve, Categorical):
        earned = on_grid(np.array(curve.points)).tolist()
        cases = [(value.eq(_text(text)), _number(each)) for text, each in zip(curve.values, earned, strict=True)]
        default = _number(measure.unknown_points)
    elif isinstance(curve, Graded):
        cases, default = _graded(value, curve.knots, curve.points)
    else:
        levels = on_grid(np.array(curve.points)).tolist()
        cases = [(value < _number(cut), _number(level)) for cut, level in zip(curve.cuts, levels, strict=False)]
        default = _number(levels[-1])
    return _case((value.is_(exp.null()), gap), *cases, default=default)


def _graded(value: Tree, knots: Sequence[float], points: Sequence[float]) -> tuple[list[tuple[Tree, Tree]], Tree]:
    """Return the cases of a graded curve, rounded to the grid as `points.on_grid` does, and its last level."""
    first, *_, last = on_grid(np.array(points)).tolist()
    cases = [(value <= _number(knots[0]), _number(first))]
    for straight, right in zip(_lines(value, knots, points), knots[1:], strict=True):
        half_up = exp.cast(exp.Floor(this=exp.paren(straight * _number(GRAIN) + _number(0.5))), "double")
        cases.append((value < _number(right), half_up * _number(1.0 / GRAIN)))
    return cases, _number(last)


def _lines(value: Tree, x: Sequence[float], y: Sequence[float]) -> list[Tree]:
    """Return the straight line of each piece, in the words of `numpy.interp`: slope * (value - x) + y."""
    slopes = (np.diff(np.array(y)) / np.diff(np.array(x))).tolist()
    pieces = zip(slopes, x, y, strict=False)
    return [exp.paren(_number(slope) * exp.paren(value - _number(left)) + _number(at)) for slope, left, at in pieces]


def _pair(pair: Pair, value_of: dict[str, str]) -> Tree:
    """Return the cell of a pair in words, null where a category was never seen."""
    first, second = (_cell(cells, _col(value_of[cells.measure])) for cells in (pair.first, pair.second))
    return exp.DPipe(this=exp.DPipe(this=first, expression=_text(cell_words("", ""))), expression=second, safe=True)


def _cell(cells: Cells, value: Tree) -> Tree:
    gone = (value.is_(exp.null()), _text(NO_DATA))
    if cells.groups:
        told = [
            (exp.In(this=value.copy(), expressions=[_text(each) for each in group]), _text(label))
            for group, label in zip(cells.groups, cells.labels, strict=True)
        ]
        return exp.paren(_case(gone, *told))
    told = [(value < _number(cut), _text(label)) for cut, label in zip(cells.cuts, cells.labels, strict=False)]
    return exp.paren(_case(gone, *told, default=_text(cells.labels[-1])))


def _weights(card: Scorecard, value_of: dict[str, str], state_of: dict[str, str]) -> tuple[Tree, Tree]:
    """Return the weight that is backed by data, and the weight that could be."""
    members = {pair.name: pair.members for pair in card.pairs}
    backed, applicable = [], []
    for line in card.measures:
        known, applies = [], []
        for name in members.get(line.name, (line.name,)):
            there = exp.Not(this=_col(value_of[name]).is_(exp.null()))
            state = _col(state_of[name])
            known.append(exp.paren(there.or_(state.isin(*sorted(KNOWN_STATES)))))
            applies.append(exp.paren(there.or_(exp.Not(this=state.isin(*sorted(INAPPLICABLE_STATES))))))
        backed.append(_case((exp.and_(*known, *applies), _number(line.weight)), default=_number(0.0)))
        applicable.append(_case((exp.and_(*applies), _number(line.weight)), default=_number(0.0)))
    return _sum(backed), _sum(applicable)


def _is_segment(name: str) -> Tree:
    segment = exp.column("segment", quoted=True)
    named = segment.eq(_text(name))
    return named if name else exp.paren(named.or_(segment.is_(exp.null())))


def _said_logit(card: Scorecard) -> Tree:
    told = [(_is_segment(name), _number(card.intercept + offset)) for name, offset in card.segment_offsets]
    begin = _case(*told, default=_number(card.intercept + 0.0)) if told else _number(card.intercept + 0.0)
    return begin - _number(card.slope) * _col("churnfit_health")


def _calibrated(card: Scorecard) -> Tree:
    said, bends, observed = _col("churnfit_said"), card.calibration.said, card.calibration.observed
    if not bends:
        return said
    low, high = _number(bends[0]), _number(bends[-1])
    clipped = _case((said < low, low), (said > high, high), default=said)
    pieces = zip(_lines(said, bends, observed), bends[1:], strict=True)
    inside = _case(
        (said <= low, _number(observed[0])),
        *((said < _number(right), straight) for straight, right in pieces),
        default=_number(observed[-1]),
    )
    return inside + _number(BEYOND) * exp.paren(said - clipped)


def _ranked(query: Tree, rank: int, lines: int) -> Tree:
    """Return `query` with the line that costs most, the earlier one of a tie, and costs without it."""
    costs = [_col(_cost(rank, place)) for place in range(lines)]
    query = _over(query, _as(_least_of(costs), _least(rank)))
    told = [(cost.eq(_col(_least(rank))), _whole(place)) for place, cost in enumerate(costs)]
    query = _over(query, _as(_case(*told), _pick(rank)))
    picked, gone = _col(_pick(rank)), _number(1e300)  # a null would be read differently by LEAST of each dialect
    left = [_case((picked.eq(_whole(place)), gone), default=cost) for place, cost in enumerate(costs)]
    return _over(query, *(_as(cost, _cost(rank + 1, place)) for place, cost in enumerate(left)))


def _least_of(costs: Sequence[Tree]) -> Tree:
    first, *others = costs
    return exp.Least(this=first, expressions=others, ignore_nulls=True) if others else first


def _cost(rank: int, place: int) -> str:
    return f"churnfit_c{rank}_{place}"


def _least(rank: int) -> str:
    return f"churnfit_least{rank}"


def _pick(rank: int) -> str:
    return f"churnfit_pick{rank}"


# --- trees -----------------------------------------------------------------------------------


def _written(query: Tree, dialect: Dialect) -> str:
    said = query.transform(_said_by_postgres if dialect == "postgres" else lambda node: node)
    return str(said.sql(dialect=dialect, pretty=True)) + "\n"


def _said_by_postgres(node: Tree) -> Tree:
    """Say for PostgreSQL what NaN is (it has no isnan), that 1e0 is a double and no decimal, and to keep queries apart.

    Joined into one, each reckoned column would be written out wherever it is read: beyond any memory for 20 measures.
    """
    if isinstance(node, exp.Select) and isinstance(node.parent, exp.Subquery):
        return node.offset(0, copy=False)
    if isinstance(node, exp.IsNan):
        return exp.EQ(this=node.this.copy(), expression=exp.cast(_text("NaN"), "double"))
    if isinstance(node, exp.Literal) and node.is_number and "e" in node.name and not isinstance(node.parent, exp.Cast):
        return exp.cast(node.copy(), "double")
    return node


def _over(query: Tree, *columns: Tree) -> Tree:
    return _from(query, exp.Star(), *columns)


def _from(query: Tree, *columns: Tree) -> Tree:
    return exp.select(*columns).from_(query.subquery("churnfit"))


def _table(name: str) -> Tree:
    parts = [exp.to_identifier(part, quoted=True) for part in reversed(name.split("."))]
    return exp.Table(**dict(zip(("this", "db", "catalog"), parts, strict=False)))


def _as(tree: Tree, name: str) -> Tree:
    return exp.alias_(tree, name, quoted=True)


def _col(name: str) -> Tree:
    return exp.column(name, quoted=True)


def _text(value: str) -> Tree:
    return exp.Literal.string(value)


def _whole(value: int) -> Tree:
    return exp.Literal.number(value)


def _number(value: float) -> Tree:
    """Return a double; without an exponent engines would read a decimal and round."""
    text = repr(abs(float(value)))
    literal = exp.Literal.number(text if "e" in text else f"{text}e0")
    return exp.paren(exp.Neg(this=literal)) if value < 0 else literal


def _case(*told: tuple[Tree, Tree], default: Tree | None = None) -> Tree:
    ifs = [exp.If(this=when, true=then.copy()) for when, then in told]
    return exp.Case(ifs=ifs, default=None if default is None else default.copy())


def _divided(this: Tree, by: Tree) -> Tree:
    return exp.Div(this=exp.paren(this), expression=exp.paren(by), typed=True, safe=False)


def _sum(parts: Sequence[Tree]) -> Tree:
    total = _number(0.0)
    for part in parts:
        total = total + part
    return total
