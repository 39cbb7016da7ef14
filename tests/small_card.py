"""A card of three measures and four accounts, small enough to reckon by hand.

Weights 50, 30 and 20. Expected points 20, 15 and 10: the average account has health 45. Red below 40, green from 70.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from churnfit.scorecard.card import BandCuts, CardMeasure, Evidence, Scorecard
from churnfit.scorecard.points import Categorical, Graded, Stepped
from churnfit.spec import ScorecardSpec

AS_OF = pd.Timestamp("2026-03-01", tz="UTC")

CARD = Scorecard(
    name="small",
    horizon_days=90,
    measures=(
        CardMeasure(
            name="logins",
            label="Logins",
            group="use",
            shape="rising",
            curve=Graded((0.0, 10.0), (0.0, 50.0)),
            missing=(("no_answer", 5.0),),
            expected_points=20.0,
            whole=True,
        ),
        CardMeasure(
            name="tickets",
            label="Tickets",
            group="care",
            shape="peak",
            curve=Stepped((1.0, 5.0), (0.0, 30.0, 10.0)),
            expected_points=15.0,
        ),
        CardMeasure(
            name="goal",
            label="Goal",
            group="care",
            shape="categories",
            curve=Categorical(("cost", "growth"), (20.0, 0.0)),
            expected_points=10.0,
            actionable=False,
        ),
    ),
    intercept=2.0,
    slope=0.08,
    base_rate=0.2,
    bands=BandCuts(red_below=40.0, green_from=70.0),
    evidence=Evidence(rows=100, accounts=50, churned_rows=20),
    segment_offsets=(("smb", 0.5),),
)


def snapshot(*account_ids: str) -> pd.DataFrame:
    """Return four accounts (or those ids, in turn): logins 10, 2, none and 7; see `HEALTH`."""
    ids = list(account_ids) or ["A", "B", "C", "D"]
    rows = len(ids)
    frame = pd.DataFrame(
        {
            "account_id": ids,
            "as_of": [AS_OF] * rows,
            "segment": (["smb", "mid", None, "mid"] * rows)[:rows],
            "stage_day": 30,
            "owner": (["ann", "bob", None, "bob"] * rows)[:rows],
            "arr": ([1000.0, None, 500.0, 0.0] * rows)[:rows],
            "logins": ([10.0, 2.0, None, 7.0] * rows)[:rows],
            "tickets": ([2.0, 0.0, 6.0, 1.0] * rows)[:rows],
            "goal": (["cost", "growth", "growth", None] * rows)[:rows],
            "logins__state": ([None, None, "no_answer", None] * rows)[:rows],
            "tickets__state": None,
            "goal__state": ([None, None, None, "missing"] * rows)[:rows],
        }
    )
    text = ["account_id", "segment", "owner", "goal", "logins__state", "tickets__state", "goal__state"]
    return frame.astype(dict.fromkeys(text, "str"))


HEALTH = [
    50.0 + 30.0 + 20.0,  # ten logins, two tickets, cost
    10.0 + 0.0 + 0.0,  # two logins, no ticket, growth
    5.0 + 10.0 + 0.0,  # asked, no answer; six tickets; growth
    35.0 + 30.0 + 10.0,  # seven logins, one ticket, goal unknown: the expected points
]
BANDS = ["green", "red", "red", "green"]


def spec_of(**changes: Any) -> ScorecardSpec:
    """Return a spec for the card; `changes` replace whole sections."""
    sections: dict[str, Any] = {
        "name": "small",
        "sources": {"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events.parquet"}]},
        "cohort": {"landmark_days": [30], "horizon_days": 90},
        "groups": {"use": {"label": "Use", "playbook": "visit"}, "care": {"label": "Care"}},
        "measures": {
            "logins": {"group": "use", "aggregate": "count", "kinds": ["login"]},
            "tickets": {"group": "care", "aggregate": "count", "kinds": ["ticket"], "playbook": "ask"},
            "goal": {"group": "care", "aggregate": "attribute", "column": "goal", "actionable": False},
        },
        "bands": {
            "margin": 0.5,
            "default_value": 2000,
            "red": {"action": "call", "cost": 100, "save_rate": 0.5},
            "amber": {"action": "mail", "cost": 1, "save_rate": 0.1},
        },
        "playbooks": {
            "ask": {"title": "Ask", "steps": ["Ask."], "due_days": 3},
            "visit": {"title": "Visit", "steps": ["Visit."], "due_days": 10},
        },
        "queue": {"capacity_per_owner": 2, "cooldown_days": 14},
    }
    return ScorecardSpec.model_validate(sections | changes)


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below `root` by its relative path, with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
