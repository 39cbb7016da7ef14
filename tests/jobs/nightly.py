"""A workspace in the middle of its life: a champion, one scored night, calls to action, and tables to be spoiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, write
from tests.jobs.test_ledger import register
from tests.small_card import CARD

from churnfit.jobs.promotion import promote
from churnfit.jobs.scoring import score
from churnfit.jobs.workspace import Workspace, find_workspace

SPEC = """\
name = "small"

[sources]
accounts = { path = "accounts.parquet" }
events = [{ path = "events.parquet" }]

[cohort]
landmark_days = [30]
stage_days = [1, 400]
horizon_days = 90

[groups]
use = { label = "Use", playbook = "call" }

[measures.logins]
group = "use"
aggregate = "count"
kinds = ["login"]

[measures.tickets]
group = "use"
aggregate = "count"
kinds = ["ticket"]

[measures.goal]
group = "use"
aggregate = "attribute"
column = "goal"
actionable = false

[bands]
red = { action = "call", cost = 10, save_rate = 0.2 }
amber = { action = "mail", cost = 1, save_rate = 0.1 }

[playbooks.call]
title = "Call"
steps = ["Call them."]
"""

CHURNFIT_TOML = '[cards]\nsmall = "small.toml"\n'
LAST_NIGHT, TONIGHT = at(60), at(61)


def accounts() -> pd.DataFrame:
    """Return forty accounts that began one a day, of two goals."""
    rows = ({"account_id": f"A{n:02}", "started_at": at(n), "goal": ("cost", "growth")[n % 2]} for n in range(40))
    return accounts_of(*rows).astype({"goal": "str"})


def events() -> pd.DataFrame:
    """Return a login of every account on three days of sixty, and a ticket of every third."""
    logins = [(f"A{n:02}", n + 20.5 * (k > 0) + 0.5 * k, "login") for n in range(40) for k in range(3)]
    return events_of(*logins, *((f"A{n:02}", 60.1, "ticket") for n in range(0, 40, 3)))


def made(root: Path, empty_mlflow: Path) -> Workspace:
    """Return the workspace, made in `root`, with the small card as champion and last night scored."""
    (root / ".churnfit").mkdir(parents=True)
    shutil.copy(empty_mlflow, root / ".churnfit" / "mlflow.db")
    (root / "churnfit.toml").write_text(CHURNFIT_TOML, encoding="utf-8")
    (root / "small.toml").write_text(SPEC, encoding="utf-8")
    write(root, accounts=accounts(), events=events())
    workspace = find_workspace(root)
    register(workspace, CARD)
    promote(workspace, "small", "latest", reason="first", by="ann")
    score(workspace, "small", as_of=LAST_NIGHT, say=lambda _: None)
    return workspace
