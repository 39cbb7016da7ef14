"""Spark scores what the card scores: the same rows, in the same order, to the last bit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import CARD as DEMO_CARD
from tests.conftest import copied
from tests.paired_card import PAIRED
from tests.small_card import CARD, contents, snapshot

from churnfit.jobs.scoring import score as score_night
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.card import Scorecard
from churnfit.scoring.batch import score
from churnfit.scoring.spark import by_spark

pytest.importorskip("pyspark", reason="PySpark is an extra: pip install 'churnfit[spark]'")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java: apt install openjdk-17-jre-headless", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[None]:
    """Stop the session after the module: it holds a Java process."""
    yield
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        running.stop()


@pytest.mark.parametrize("card", [CARD, PAIRED], ids=["measures", "pair"])
def test_a_snapshot_has_the_same_run_from_spark(card: Scorecard) -> None:
    """Scores, probabilities and reasons of forty accounts, in their order and index; without states too."""
    table = snapshot(*(f"A{number}" for number in range(40))).assign(stage_day=30, owner="kim", arr=1.0)
    for given in (table.iloc[::-1], table.drop(columns=["logins__state", "goal__state"])):
        run, other = score(card, given, key="k"), score(card, given, key="k", scorer=by_spark)
        pd.testing.assert_frame_equal(run.scores, other.scores, check_exact=True)
        pd.testing.assert_frame_equal(run.reasons, other.reasons, check_exact=True)


def test_a_night_on_spark_publishes_the_same_files(workspace: Workspace, tmp_path: Path) -> None:
    """`engine = "spark"`: snapshot, scores and reasons of the next day are the embedded engine's, byte by byte."""
    other = copied(workspace, tmp_path / "spark")
    with other.cards[DEMO_CARD].open("a", encoding="utf-8") as spec:
        spec.write('\n[history]\nengine = "spark"\n')
    assert other.scorer(other.spec(DEMO_CARD)) is by_spark
    for place in (workspace, other):
        done = score_night(place, DEMO_CARD, as_of=DEMO_DAY + pd.Timedelta(days=1), say=lambda _: None)
        assert done.published
    assert len(contents(other.scores)) == 6
    assert contents(other.scores) == contents(workspace.scores)
