"""A workspace of sixty accounts with a spec of two measures, and its tables, to be spoiled."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.history.tiny_world import accounts_of, at, events_of, write

SPEC = """\
name = "small"

[sources.accounts]
path = "accounts.parquet"

[[sources.events]]
path = "events.parquet"

[cohort]
landmark_days = [10]
stage_days = [1, 400]
horizon_days = 20

[groups]
use = { label = "Use", playbook = "call" }

[measures.logins]
group = "use"
aggregate = "count"
kinds = ["login"]

[measures.seats]
group = "use"
aggregate = "attribute"
column = "seats"
actionable = false

[bands]
red = { action = "call", cost = 10, save_rate = 0.2 }
amber = { action = "mail", cost = 1, save_rate = 0.1 }

[playbooks.call]
title = "Call"
steps = ["Call them."]

[challenger]
trials = 0

[evaluation]
method = "held_out_accounts"
bootstrap = 50
"""

AS_OF = f"{at(200):%Y-%m-%d}"


def accounts() -> pd.DataFrame:
    """Return sixty accounts, one a day; every third leaves 20 days after its start, within the horizon of day 10."""
    return accounts_of(
        *(
            {"account_id": f"A{n:02}", "started_at": at(n), "churned_at": at(n + 20) if n % 3 == 0 else pd.NaT}
            for n in range(60)
        )
    )


def events() -> pd.DataFrame:
    """Return the logins of three accounts in four, whether they stay or leave."""
    return events_of(*((f"A{n:02}", n + 5.5, "login") for n in range(60) if n % 4))


def make(root: Path, *, spec: str = SPEC, accounts: pd.DataFrame, events: pd.DataFrame) -> Path:
    """Write the workspace into `root`."""
    (root / "churnfit.toml").write_text('[cards]\nsmall = "small.toml"\n', encoding="utf-8")
    (root / "small.toml").write_text(spec, encoding="utf-8")
    write(root, accounts=accounts, events=events)
    return root
