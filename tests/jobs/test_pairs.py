"""Named pairs from the sources to the call: what they would gain is told, and a card with one scores and explains."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.history.tiny_world import accounts_of, at, events_of
from tests.jobs.small_workspace import AS_OF, SPEC, make
from tests.paired_card import BANDS, CELLS, PAIR, PAIRED
from tests.small_card import snapshot, spec_of

from churnfit.evaluation.report import EvaluationReport
from churnfit.jobs.explaining import explain
from churnfit.jobs.promotion import promote
from churnfit.jobs.queue import queue
from churnfit.jobs.scoring import score, scored_accounts
from churnfit.jobs.training import FitResult, fit
from churnfit.jobs.workspace import Workspace, find_workspace
from churnfit.registry import RunRecord
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.pairs import Cells, Pair
from churnfit.scorecard.points import Categorical
from churnfit.scorecard.words import healthy_words
from churnfit.scoring.batch import publish, published_run
from churnfit.scoring.batch import score as score_snapshot

N = 600
QUICK = "[learning]\npenalties = [2.0]\nfolds = 2\ncertify = 0\npairs = {pairs}\n\n[challenger]"


def written(root: Path, empty_mlflow: Path, *, crossed: bool, pairs: int = 0) -> Workspace:
    """Return a workspace of accounts with 0 to 5 logins and 1 to 6 seats.

    Crossed: half of those leave with many of both or few of both, and hardly any other. Else few logins alone count.
    """
    rng = np.random.default_rng(2)
    logins, seats = rng.integers(0, 6, N), rng.integers(1, 7, N)
    risky = (logins >= 3) == (seats >= 4) if crossed else logins < 3
    leaves = rng.random(N) < np.where(risky, 0.6, 0.05)
    accounts = accounts_of(
        *(
            {
                "account_id": f"A{i:03}",
                "started_at": at(i % 60),
                "churned_at": at(i % 60 + 20) if leaves[i] else pd.NaT,
                "seats": int(seats[i]),
                "arr": 1000.0,
            }
            for i in range(N)
        )
    )
    events = events_of(*((f"A{i:03}", i % 60 + 1.5 + k, "login") for i in range(N) for k in range(logins[i])))
    spec = SPEC.replace("[challenger]", QUICK.format(pairs=pairs))
    (root / ".churnfit").mkdir()
    shutil.copy(empty_mlflow, root / ".churnfit" / "mlflow.db")
    return find_workspace(make(root, spec=spec, accounts=accounts, events=events))


def fitted(workspace: Workspace) -> tuple[FitResult, list[str]]:
    """Fit, and return what was said on the way too."""
    said: list[str] = []
    return fit(workspace, "small", as_of=pd.Timestamp(AS_OF, tz="UTC"), say=said.append), said


def promoted(workspace: Workspace, card: Scorecard) -> None:
    """Make `card` the champion, whatever its gates."""
    workspace.registry().register(
        card, RunRecord(params={}, metrics={}, texts={"gates.txt": "none asked"}, gates_passed=True)
    )
    promote(workspace, "small", "latest", reason="to score")


def sentence(report: EvaluationReport) -> str:
    """Return the report's one line about named pairs, or nothing."""
    return "".join(line for line in report.to_text().splitlines() if "named pairs would join" in line)


def test_a_card_without_pairs_is_told_what_they_would_gain(tmp_path: Path, empty_mlflow: Path) -> None:
    """Logins say their opposite where seats are few: the report names the pair, and its AUC is beside the card's."""
    result, said = fitted(written(tmp_path, empty_mlflow, crossed=True))
    report = result.report
    assert "Asking what named pairs would gain" in said
    assert result.card.pairs == ()
    assert report.pairs_asked == ("logins × seats",)
    assert "learning.pairs = 1" in " ".join(report.to_text().split())
    assert "named pairs would join" in report.to_text()
    assert report.models["paired"]["auc"].estimate > report.models["card"]["auc"].estimate + 0.1
    assert report.differences["paired"]["auc"].high < 0


def test_where_measures_add_up_no_pair_is_reported(tmp_path: Path, empty_mlflow: Path) -> None:
    """Logins alone decide: it was asked, and there is nothing to tell."""
    result, said = fitted(written(tmp_path, empty_mlflow, crossed=False))
    assert "Asking what named pairs would gain" in said
    assert result.report.pairs_asked == ()
    assert "paired" not in result.report.models
    assert sentence(result.report) == ""


def test_a_card_with_a_pair_scores_calls_and_explains(tmp_path: Path, empty_mlflow: Path) -> None:
    """Seats cannot be acted on, logins can: a call for the pair is about logins; the reason names the cell."""
    workspace = written(tmp_path, empty_mlflow, crossed=True, pairs=1)
    result, said = fitted(workspace)
    assert "Asking what named pairs would gain" not in said  # the card has them
    card = result.card
    line = card.measure("logins × seats")
    assert (line.label, line.group, line.unit, line.actionable) == ("logins × seats", "Use", "", True)
    promoted(workspace, card)
    day = at(66)
    run = score(workspace, "small", as_of=day, say=lambda _: None)
    assert run.published
    assert run.run.opened == run.bands["red"] > 0
    calls = queue(workspace, "small")
    assert {row.cta.lead_measure for row in calls} == {"logins"}
    assert all(row.cta.reasons[0].startswith("logins × seats: ") for row in calls)
    found = explain(workspace, "small", calls[0].cta.account_id)
    [reason] = found.reasons[found.reasons["measure"] == "logins × seats"].to_dict("records")
    assert reason["value"] in line.curve.values  # type: ignore[union-attr]
    assert reason["value"] in calls[0].cta.reasons[0]
    assert reason["healthy"] == healthy_words(card, line)
    assert reason["value"] not in reason["healthy"]
    assert found.reasons["health_points"].sum() == pytest.approx(found.score["health"] - found.expected_health)
    assert not score(workspace, "small", as_of=day, say=lambda _: None).published


def test_the_scores_of_a_batch_carry_the_pair_s_points(tmp_path: Path) -> None:
    """A column of points for the pair and its words in the snapshot; published twice and read back, all the same."""
    run = score_snapshot(PAIRED, snapshot(), key="k")
    assert run.scores["points_tickets × goal"].tolist() == [40.0, 20.0, 0.0, 16.0]
    assert run.scores["band"].tolist() == BANDS
    assert run.snapshot["tickets × goal"].tolist() == CELLS
    publish(run, tmp_path)
    publish(score_snapshot(PAIRED, snapshot(), key="k"), tmp_path)
    assert published_run(tmp_path).of("D").snapshot["tickets × goal"].tolist() == ["below 3 · no data"]


def leads(card: Scorecard, **changes: object) -> dict[str, str]:
    """Return the lead measure of each account that has one."""
    accounts = scored_accounts(card, score_snapshot(card, snapshot(), key="k"), spec_of(**changes))
    return {account.account_id: account.lead_measure for account in accounts if account.lead_measure}


def test_a_call_is_about_the_member_that_can_be_acted_on() -> None:
    """C loses 25 by logins and 16 by the pair; were logins nothing to act on, tickets lead, never goal."""
    assert leads(PAIRED) == {"B": "logins", "C": "logins"}
    pair_only = replace(PAIRED, measures=(replace(PAIRED.measures[0], actionable=False), PAIRED.measures[1]))
    assert leads(pair_only) == {"C": "tickets"}
    turned = replace(PAIR, first=PAIR.second, second=PAIR.first)
    values = tuple(" · ".join(reversed(value.split(" · "))) for value in PAIRED.measures[1].curve.values)  # type: ignore[union-attr]
    line = replace(PAIRED.measures[1], name=turned.name, curve=replace(PAIRED.measures[1].curve, values=values))
    assert leads(replace(pair_only, measures=(pair_only.measures[0], line), pairs=(turned,))) == {"C": "tickets"}


def test_a_pair_with_the_segment_or_without_an_actionable_member_does_not_stop_the_scoring() -> None:
    """The segment is no measure of the spec; a spec that changed its mind about acting leaves no lead."""
    by_segment = Pair(first=Cells(measure="segment", groups=(("smb", "mid"), ("key",))), second=PAIR.first)
    cells = Categorical(("smb/mid · below 3", "no data · from 3"), (40.0, 0.0))
    pair_only = replace(PAIRED, measures=(replace(PAIRED.measures[0], actionable=False), PAIRED.measures[1]))
    lines = (pair_only.measures[0], replace(PAIRED.measures[1], name=by_segment.name, curve=cells))
    assert leads(replace(PAIRED, measures=lines, pairs=(by_segment,))) == {"C": "tickets"}
    idle = {
        name: {"group": "care", "aggregate": "attribute", "column": name, "actionable": False}
        for name in ("logins", "tickets", "goal")
    }
    assert leads(PAIRED, measures=idle)["C"] == "logins"
    assert leads(pair_only, measures=idle) == {}
