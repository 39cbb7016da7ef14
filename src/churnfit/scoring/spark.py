"""A snapshot scored by Spark: the card's own query, run where the readings of a large log are taken."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnfit.history.spark import session
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import coerce
from churnfit.scorecard.sql import scoring_sql
from churnfit.tables import STATE_SUFFIX

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["by_spark"]

_VIEW = "churnfit_snapshot"


def by_spark(card: Scorecard, snapshot: pd.DataFrame) -> pd.DataFrame:
    """Return health, band, coverage and ``points_<measure>`` of a snapshot's rows, in their order.

    A `churnfit.scoring.batch.Scorer`.

    Raises
    ------
    UsageError
        CF510 when PySpark or Java is not installed.
    """
    states = {name for name in card.read if name + STATE_SUFFIX in snapshot}
    query = scoring_sql(card, table=_VIEW, dialect="spark", top=0, states=states)
    with warnings.catch_warnings():
        # PySpark 4.3 warns of pandas 3; rows go to Spark and come back as Arrow tables, never through its pandas
        warnings.filterwarnings("ignore", message=".*does not yet fully support pandas", category=FutureWarning)
        spark = session()
        spark.createDataFrame(_given(card, snapshot)).createOrReplaceTempView(_VIEW)
        found: pd.DataFrame = spark.sql(query).toArrow().to_pandas()
    ordered = found.sort_values("as_of", ignore_index=True)
    points = [f"points_{name}" for name in card.weights]
    return ordered[["health", "band", "coverage", *points]].astype(dict.fromkeys(points, "float64"))


def _given(card: Scorecard, snapshot: pd.DataFrame) -> pa.Table:
    """Return what the query reads; as_of says which row it was, for Spark keeps no order."""
    import pyarrow as pa

    columns = {
        "account_id": pa.array(snapshot["account_id"].astype(object), pa.string()),
        "as_of": pa.array(np.arange(len(snapshot))),
        "segment": pa.nulls(len(snapshot), pa.string()),
    }
    for name, values in coerce(card, snapshot).items():
        columns[str(name)] = pa.array(values.to_numpy(), pa.string() if values.dtype == object else pa.float64())
    return pa.table(columns)
