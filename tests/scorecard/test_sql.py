"""A card as SQL: every engine that runs here gives the card's own points, health, band and coverage."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.databases import new_database
from tests.paired_card import PAIRED
from tests.properties.test_card import cards, snapshots_of
from tests.properties.test_engines import on_the_edges
from tests.small_card import AS_OF, CARD, snapshot

from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import coerce, input_columns
from churnfit.scorecard.points import Categorical, Graded
from churnfit.scorecard.shap import shap_values
from churnfit.scorecard.sql import DIALECTS, scoring_sql
from churnfit.scorecard.words import STATE_WORDS

Engine: TypeAlias = Callable[[Scorecard, pd.DataFrame], pd.DataFrame]

BENT = Calibration(method="isotonic", said=(-2.0, 0.0, 1.0), observed=(-3.0, 0.0, 3.0))


def given_to_engines(card: Scorecard, table: pd.DataFrame) -> pa.Table:
    """Return the columns that a card reads as Arrow has them, their gaps NaN in one row and null in the next."""
    frame = coerce(card, table)
    columns = {"account_id": pa.array(table["account_id"], pa.string())}
    columns["as_of"] = pa.array(["2026-03-01"] * len(table))
    columns["segment"] = pa.nulls(len(table), pa.string())
    for name in frame:
        text = frame[name].dtype == object
        null = frame[name].isna().to_numpy() & (np.arange(len(frame)) % 2 == 1)
        columns[name] = pa.array(frame[name], pa.string()) if text else pa.array(frame[name].to_numpy(), mask=null)
    return pa.table(columns)


def by_duckdb(card: Scorecard, table: pd.DataFrame) -> pd.DataFrame:
    """Return the query's rows from DuckDB."""
    con = duckdb.connect()
    con.register("snap", given_to_engines(card, table))
    query = scoring_sql(card, table="snap", dialect="duckdb", states=states_of(card, table))
    found: pd.DataFrame = con.sql(query).to_arrow_table().to_pandas()
    return found


def states_of(card: Scorecard, table: pd.DataFrame) -> set[str]:
    """Return the measures whose states are in the table."""
    return {name for name in card.read if f"{name}__state" in table}


@pytest.fixture(scope="module")
def by_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Yield what runs a card's query on a real PostgreSQL server."""
    url = new_database("postgres", tmp_path_factory.mktemp("postgres"))
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def run(card: Scorecard, table: pd.DataFrame) -> pd.DataFrame:
        given_ = given_to_engines(card, table)
        types = [(field.name, sa.Double if pa.types.is_floating(field.type) else sa.Text) for field in given_.schema]
        columns = [sa.Column(name, kind) for name, kind in types]
        snap = sa.Table("snap", sa.MetaData(), *columns, prefixes=["TEMPORARY"])
        query = scoring_sql(card, table="snap", dialect="postgres", states=states_of(card, table))
        with engine.connect() as connection:
            snap.create(connection)
            connection.execute(sa.insert(snap), given_.to_pylist())
            rows = connection.exec_driver_sql(query.replace("%", "%%")).mappings().all()
            connection.rollback()
        return pd.DataFrame([dict(row) for row in rows])

    yield run
    engine.dispose()


@pytest.fixture(scope="module")
def by_spark() -> Iterator[Engine]:
    """Yield what runs a card's query on Spark, on this machine."""
    pytest.importorskip("pyspark", reason="PySpark is an extra: pip install 'churnfit[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt install openjdk-17-jre-headless")
    from churnfit.history.spark import session

    spark = session()

    def run(card: Scorecard, table: pd.DataFrame) -> pd.DataFrame:
        spark.createDataFrame(given_to_engines(card, table)).createOrReplaceTempView("snap")
        query = scoring_sql(card, table="snap", dialect="spark", states=states_of(card, table))
        found: pd.DataFrame = spark.sql(query).toArrow().to_pandas()
        return found

    yield run
    spark.stop()


def assert_the_cards_own(card: Scorecard, table: pd.DataFrame, found: pd.DataFrame) -> None:
    """Assert that an engine's rows are the card's: bit by bit, probabilities to 1e-9, reasons in their order."""
    found = found.set_index("account_id").loc[table["account_id"]]
    points, health = card.points(table), card.health(table)
    for name in points:
        np.testing.assert_array_equal(found[f"points_{name}"].to_numpy(np.float64), points[name], err_msg=name)
    np.testing.assert_array_equal(found["health"].to_numpy(np.float64), health)
    np.testing.assert_array_equal(found["coverage"].to_numpy(np.float64), card.coverage(table))
    assert found["band"].tolist() == card.bands.band(health).tolist()
    probability = card.probability_of(health, table.get("segment"))
    np.testing.assert_allclose(found["churn_probability"].to_numpy(np.float64), probability, rtol=0, atol=1e-9)
    costs = shap_values(card, points)
    for place, (_, row) in enumerate(costs.iterrows()):
        worst = row.sort_values(kind="stable").head(3)
        worst = worst[worst < 0]
        told = [found.iloc[place][f"reason_{rank}"] for rank in (1, 2, 3)]
        amounts = [found.iloc[place][f"reason_{rank}_points"] for rank in (1, 2, 3)]
        assert [name for name in told if not pd.isna(name)] == worst.index.tolist()
        assert [amount for amount in amounts if not pd.isna(amount)] == worst.tolist()


def assert_scored_on_the_edges(engine: Engine, data: st.DataObject) -> None:
    """Draw a card and accounts on its edges, and hold what the engine says against the card."""
    card = data.draw(cards())
    table = on_the_edges(card, data.draw(snapshots_of(card)), data).drop(columns="segment")
    assert_the_cards_own(card, table, engine(card, table))


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_duckdb_scores_as_the_card_does(data: st.DataObject) -> None:
    """Ties on thresholds and their neighbours, NaN, infinite values, −0.0, unseen categories and states."""
    assert_scored_on_the_edges(by_duckdb, data)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_postgresql_scores_as_the_card_does(by_postgres: Engine, data: st.DataObject) -> None:
    """The same edges on a real server."""
    assert_scored_on_the_edges(by_postgres, data)


@settings(deadline=None, max_examples=2)
@given(st.data())
def test_spark_scores_as_the_card_does(by_spark: Engine, data: st.DataObject) -> None:
    """The same edges; few cards, because each is a plan of its own."""
    assert_scored_on_the_edges(by_spark, data)


def every_edge(card: Scorecard) -> pd.DataFrame:
    """Return accounts at every threshold and its neighbours, with every state; the measures' edges meet at random."""
    curves = [line.curve for line in card.measures if not isinstance(line.curve, Categorical)]
    places = [at for curve in curves for at in (curve.knots if isinstance(curve, Graded) else curve.cuts)]
    places += [cut for pair in card.pairs for cells in (pair.first, pair.second) for cut in cells.cuts]
    near = [float(np.nextafter(at, to)) for at in places for to in (-np.inf, np.inf)]
    rare = [-0.0, 0.0, np.nan, np.nan, np.inf, -np.inf, 0.1 + 0.2, 5e-324, 2.0**53 + 2]
    texts = ["cost", "growth", "unseen", "", None]
    states = [*STATE_WORDS, "unseen", None]
    rows = len(states) * len([*places, *near, *rare])
    rng = np.random.default_rng(3)

    def spread(values: list[object]) -> list[object]:
        return [values[place] for place in rng.permutation(np.arange(rows) % len(values))]

    columns: dict[str, object] = {"account_id": [f"A{row:04d}" for row in range(rows)], "as_of": AS_OF}
    for name, (kind, _) in input_columns(card).items():
        if kind == "double":
            columns[name] = np.array(spread([*places, *near, *rare]), dtype=float)
        elif name != "segment":
            columns[name] = spread(states if name.endswith("__state") else texts)
    return pd.DataFrame(columns)


WIDE = replace(
    CARD,
    measures=tuple(replace(CARD.measures[place % 2], name=f"m{place}", expected_points=place) for place in range(20)),
)


@pytest.mark.parametrize("card", [CARD, PAIRED, WIDE], ids=["measures", "pair", "twenty measures"])
@pytest.mark.parametrize("engine", ["duckdb", "by_postgres", "by_spark"])
def test_every_edge_is_scored_as_the_card_does(request: pytest.FixtureRequest, engine: str, card: Scorecard) -> None:
    """Each threshold, its neighbours, both noughts, NaN, null, both infinities, unseen texts, with each state."""
    run = by_duckdb if engine == "duckdb" else request.getfixturevalue(engine)
    table = every_edge(card)
    assert len(table) > 100
    assert_the_cards_own(card, table, run(card, table))


def test_pairs_segments_and_calibrations_are_in_the_query() -> None:
    """The paired card, bent, on the small card's accounts: smb has an offset of its own, and so has no segment."""
    card = replace(PAIRED, calibration=BENT, segment_offsets=(("", -0.25), ("smb", 0.5)))
    con = duckdb.connect()
    con.register("snap", snapshot())
    found = con.sql(scoring_sql(card, table="snap", dialect="duckdb")).to_arrow_table().to_pandas()
    assert_the_cards_own(card, snapshot(), found)
    assert found["points_tickets × goal"].tolist() == [40.0, 20.0, 0.0, 16.0]


def test_names_and_texts_cannot_leave_their_quotes() -> None:
    """A category that is SQL, in a table whose name is SQL, is only ever compared with."""
    evil = "x' OR 1=1; DROP TABLE snap --"
    goal = CARD.measure("goal")
    curve = Categorical((evil, "\\' growth"), (20.0, 0.0))
    card = replace(CARD, measures=(*CARD.measures[:2], replace(goal, curve=curve)))
    table = snapshot().assign(goal=[evil, "\\' growth", None, "cost"])
    con = duckdb.connect()
    con.register('a"; DROP', table)
    found = con.sql(scoring_sql(card, table='a"; DROP', dialect="duckdb")).to_arrow_table().to_pandas()
    assert_the_cards_own(card, table, found)
    for dialect in DIALECTS:
        assert len(sqlglot.parse(scoring_sql(card, table="snap", dialect=dialect), dialect=dialect)) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gets_one_select_with_doubles(dialect) -> None:
    """The text parses in its own dialect, asks for the same columns, and holds no decimal number."""
    [tree] = sqlglot.parse(scoring_sql(PAIRED, table="lake.snap", dialect=dialect), dialect=dialect)
    assert isinstance(tree, sqlglot.exp.Select)
    assert tree.named_selects[2:7] == ["segment", "health", "churn_probability", "band", "coverage"]
    numbers = [literal.name for literal in tree.find_all(sqlglot.exp.Literal) if not literal.is_string]
    assert all("e" in number for number in numbers if "." in number)
