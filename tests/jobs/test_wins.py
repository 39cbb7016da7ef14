"""Good news of a week: who rose, who reached a step, and nobody who is held out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from tests.conftest import CARD, Ended

from churnfit.cta.holdout import held_out
from churnfit.jobs.scoring import published_runs, score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.wins import wins
from churnfit.jobs.workspace import Workspace
from churnfit.scoring.batch import published_run

WEEK_BEFORE = DEMO_DAY - pd.Timedelta(days=7)


def test_without_an_earlier_run_only_steps_are_wins(demo_workspace: Workspace) -> None:
    """The journey alone says that they were reached within the week."""
    found = wins(demo_workspace, CARD)
    assert len(found) > 0
    assert found["what"].isin(["Kick-off reached", "Data loaded reached", "Go-live reached"]).all()


def test_who_rose_is_a_win_with_what_raised_it_most(workspace: Workspace, churnfit: Callable[..., Ended]) -> None:
    """Every account that is clearly in a better band than a week ago; held-out accounts are nobody's news."""
    score(workspace, CARD, as_of=WEEK_BEFORE, say=lambda _: None)
    then, now = (
        published_run(workspace.folder / run.folder).scores.set_index("account_id")
        for run in sorted(published_runs(workspace, CARD), key=lambda run: run.as_of)
    )
    rank = {"red": 0, "amber": 1, "green": 2}
    both = then.index.intersection(now.index)
    registry = workspace.registry()
    cuts = registry.load(registry.resolve(CARD, "champion")).bands
    last = then.loc[both, "band"].to_numpy(dtype=object)
    clearly = pd.Series(cuts.shown_band(last, now.loc[both, "health"].to_numpy(), np.zeros(len(both))), index=both)
    risen = {name for name in both if rank[clearly[name]] > rank[then.at[name, "band"]]}
    assert len(risen) < sum(rank[now.at[name, "band"]] > rank[then.at[name, "band"]] for name in both)  # some are close
    found = wins(workspace, CARD)
    bands = found[~found["what"].str.endswith("reached")]
    assert set(bands["account_id"]) == risen != set()
    row = bands.iloc[0]
    name = row["account_id"]
    assert row["what"] == f"{clearly[name]}, {then.at[name, 'band']} on {WEEK_BEFORE:%Y-%m-%d}"
    said = re.fullmatch(r"health (\d+) to (\d+), most by (.+) \(\+(\d+)\)", row["why"])
    assert said is not None
    points = [column for column in now.columns if column.startswith("points_")]
    assert int(said[4]) == round(float((now.loc[name, points] - then.loc[name, points]).max()))
    assert found["owner"].is_monotonic_increasing
    of_one = json.loads(churnfit("wins", "--card", CARD, "--owner", row["owner"], "--json", cwd=workspace.root).out)
    assert {win["owner"] for win in of_one["wins"]} == {row["owner"]}
    assert name in churnfit("wins", "--card", CARD, cwd=workspace.root).out
    toml = workspace.root / "models" / CARD / "scorecard.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("# holdout = 0.1", "holdout = 0.5"), encoding="utf-8")
    left = set(wins(workspace, CARD)["account_id"])
    assert left == {name for name in found["account_id"] if not held_out(CARD, name, 0.5)} != set()
