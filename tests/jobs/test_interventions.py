"""What people did about CTAs, and who was held out, is known to the next labels without a file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import CARD, Ended
from tests.history.tiny_world import accounts_of, at, events_of, spec_of, write

from churnfit.cta.holdout import held_out
from churnfit.history.cohort import landmark_grid
from churnfit.history.labels import labels, ledger
from churnfit.history.sources import open_sources
from churnfit.jobs.history import label_ledger
from churnfit.jobs.outcomes import import_outcomes
from churnfit.jobs.queue import ctas
from churnfit.jobs.reproducing import reproduce
from churnfit.jobs.scoring import score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.training import fit
from churnfit.jobs.workspace import Workspace

Cli = Callable[..., Ended]
HOLDOUT = 0.3
HORIZON = pd.Timedelta(days=90)


def quiet(_: str) -> None:
    """Say nothing."""


def never_scored(workspace: Workspace) -> None:
    """Forget the runs and CTAs of the demo; champion and ledger stay."""
    with closing(sqlite3.connect(workspace.folder / "churnfit.db")) as con, con:
        for table in ("runs", "ctas", "cta_events", "account_states"):
            con.execute(f"DELETE FROM {table}")


def test_what_was_done_about_ctas_marks_the_rows_of_the_next_fit(
    workspace: Workspace, churnfit: Cli, tmp_path: Path
) -> None:
    """In October CTAs open; every second one is worked on two days later, the rest nobody touches: exactly the rows
    whose horizon holds such a day change, and the next card is learned without them."""
    never_scored(workspace)
    before, _ = label_ledger(workspace, CARD, as_of=DEMO_DAY)
    opened_on = DEMO_DAY - pd.Timedelta(days=250)
    score(workspace, CARD, as_of=opened_on, say=quiet)
    untouched, _ = label_ledger(workspace, CARD, as_of=DEMO_DAY)
    worked_on = [cta.account_id for cta in ctas(workspace, CARD)][::2]
    acted_on = opened_on + pd.Timedelta(days=2)
    day = f"{acted_on:%Y-%m-%d}"
    rows = pd.DataFrame({"account_id": worked_on, "date": day, "outcome": "done", "when": day})
    rows.to_csv(tmp_path / "outcomes.csv", index=False)
    assert import_outcomes(workspace, CARD, tmp_path / "outcomes.csv", by="ann").faults == []
    after, _ = label_ledger(workspace, CARD, as_of=DEMO_DAY)

    acted = before["account_id"].isin(worked_on) & holds(before, acted_on)
    treated = acted & (before["status"] == "matured")
    assert treated.sum() > 2
    assert after.loc[treated, "status"].eq("treated").all()
    assert after.loc[treated, "reason"].str.endswith(f" on {day}").all()
    assert untouched["status"].eq(before["status"]).all()  # opened alone is not treated
    pd.testing.assert_series_equal(after.loc[~acted, "status"], before.loc[~acted, "status"])

    said = json.loads(
        churnfit("labels", "--as-of", f"{DEMO_DAY:%Y-%m-%d}", "--card", CARD, "--json", cwd=workspace.root).out
    )
    assert sum(row["treated"] for row in said["cohorts"]) == (after["status"] == "treated").sum()
    assert fit(workspace, CARD, as_of=DEMO_DAY, say=quiet).version.reference
    assert [one.byte_for_byte for one in reproduce(workspace, CARD, every=True)] == [True]


def test_with_a_holdout_the_whole_queue_leaves_and_the_held_out_stand_for_it(workspace: Workspace) -> None:
    """Nobody touches a single CTA: they leave all the same, for three in ten are held out and weigh as much as all."""
    never_scored(workspace)
    toml = workspace.root / "models" / CARD / "scorecard.toml"
    spec_text = toml.read_text(encoding="utf-8")
    assert f"horizon_days = {HORIZON.days}" in spec_text
    toml.write_text(spec_text.replace("# holdout = 0.1", f"holdout = {HOLDOUT}"), encoding="utf-8")
    before, _ = label_ledger(workspace, CARD, as_of=DEMO_DAY)
    opened_on = DEMO_DAY - pd.Timedelta(days=250)
    score(workspace, CARD, as_of=opened_on, say=quiet)
    after, _ = label_ledger(workspace, CARD, as_of=DEMO_DAY)

    left_alone = [cta.account_id for cta in ctas(workspace, CARD) if cta.holdout_share is not None]
    queued = [cta.account_id for cta in ctas(workspace, CARD) if cta.holdout_share is None]
    within = holds(before, opened_on) & (before["status"] == "matured")
    assert min((within & before["account_id"].isin(some)).sum() for some in (queued, left_alone)) > 0
    assert after.loc[within & before["account_id"].isin(queued), "status"].eq("treated").all()
    alone = within & before["account_id"].isin(left_alone)
    assert after.loc[alone, "weight"].to_numpy() == pytest.approx(1 / HOLDOUT)
    others = (after["status"] == "matured") & ~alone
    assert after.loc[others, "weight"].eq(1.0).all()


def holds(rows: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Say which rows have the noon of `day` within their horizon."""
    noon = day + pd.Timedelta(hours=12)
    return (rows["as_of"] < noon) & (noon <= rows["as_of"] + HORIZON)


def test_accounts_that_the_stable_hash_holds_out_stand_for_all_who_were_called(tmp_path: Path) -> None:
    """5,000 of 10,000 accounts are meant for a call, half of them would leave, a call saves them all: without calls a
    quarter leaves. Ignoring who was called the rate is 5 %; the held-out fifth, weighted, gives the quarter back."""
    share = 0.2
    names = [f"A{n:04}" for n in range(10_000)]
    meant = {name: held_out("tiny", name, share) for name in names[:5000]}
    would_leave = set(names[:5000:2])
    accounts = accounts_of(
        *(
            {"account_id": name, "churned_at": at(25) if name in would_leave and meant[name] else pd.NaT}
            for name in names
        )
    )
    own = pd.DataFrame(
        [
            {"account_id": name, "at": at(12.5), "playbook": "call", "outcome": "", "held_out": float(alone),
             "holdout_share": share if alone else None}
            for name, alone in meant.items()
        ]
    )  # fmt: skip
    spec = spec_of({"logins": {"aggregate": "count", "kinds": ["login"]}})
    write(tmp_path, accounts=accounts, events=events_of(("A0000", 1, "login")))
    rates = {}
    for known in (None, own):
        with open_sources(spec, tmp_path, interventions=known) as con:
            found = labels(con, spec, landmark_grid(con, spec), observed_to=at(100))
        rates["ignored" if known is None else "known"] = float(ledger(found)["base_rate"].iloc[0])
    # about 1,000 accounts are held out (the hash is what it is), each counts five times
    weight = found.loc[found["held_out"], "weight"]
    assert (weight.sum(), weight.unique().tolist()) == (pytest.approx(5000, rel=0.06), [5.0])
    assert rates["ignored"] == pytest.approx(0.05, abs=0.01)
    assert rates["known"] == pytest.approx(0.25, abs=0.02)
