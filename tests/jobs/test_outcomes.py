"""Outcomes from a table: all or none, every fault at once, twice changes nothing."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.cta.test_rules import account
from tests.cta.test_store import MONDAY, publish, run_row
from tests.databases import rows_of
from tests.history.tiny_world import accounts_of, at, events_of
from tests.history.tiny_world import write as write_tables
from tests.jobs.test_queue import TODAY, Cli, claim, close, ctas, night, small
from tests.small_card import spec_of

from churnfit.cta.holdout import held_out
from churnfit.cta.rules import decide
from churnfit.errors import DataError
from churnfit.jobs.outcomes import Imported, import_outcomes, outcome_counts
from churnfit.jobs.workspace import Workspace

__all__ = ["small"]  # the fixture: a workspace with CTAs of A, B, C and D since Monday
TUESDAY = str(MONDAY + timedelta(days=1))


def write(path: Path, *rows: dict[str, str]) -> Path:
    """Write the rows as a CSV table."""
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_table_closes_what_it_names_and_again_changes_nothing(small: Workspace, tmp_path: Path) -> None:
    """By id or by account and date; who, when and why are kept, and the second import finds it all done."""
    [of_a] = [cta for cta in ctas(small, "small") if cta.account_id == "A"]
    table = write(
        tmp_path / "outcomes.csv",
        {"cta_id": of_a.cta_id, "account_id": "", "date": "", "outcome": "saved", "why": "they stay", "by": "ann",
         "when": TUESDAY},
        {"cta_id": "", "account_id": "B", "date": TUESDAY, "outcome": "not-valid", "why": "a test", "by": "",
         "when": ""},
    )  # fmt: skip
    assert import_outcomes(small, "small", table, by="bob") == Imported(rows=2, written=2, faults=[])
    a, b = ctas(small, "small")[:2]
    assert (a.status, a.outcome, a.note, a.closed_by, str(a.closed_on)) == (
        "resolved", "saved", "they stay", "ann", TUESDAY
    )  # fmt: skip
    assert (b.status, b.closed_by, b.closed_on) == ("not valid", "bob", TODAY)
    before = rows_of(small.database)
    assert import_outcomes(small, "small", table, by="bob") == Imported(rows=2, written=0, faults=[])
    assert rows_of(small.database) == before


def test_parquet_with_dates_is_read_too(small: Workspace, tmp_path: Path) -> None:
    """A column of dates is dates, a gap is nothing."""
    frame = pd.DataFrame(
        {"account_id": ["A", "B"], "date": pd.to_datetime([TUESDAY] * 2), "outcome": "done", "why": ["called", None]}
    )
    frame.to_parquet(tmp_path / "outcomes.parquet")
    assert import_outcomes(small, "small", tmp_path / "outcomes.parquet").written == 2
    assert [cta.note for cta in ctas(small, "small")][:2] == ["called", ""]


FAULTS = [
    ({"cta_id": "unknown"}, "CF702", "cta_id 'unknown'"),
    ({"cta_id": "", "account_id": "Z"}, "CF702", f"account 'Z' on {TUESDAY}"),
    ({"account_id": "A", "date": "2020-01-01"}, "CF702", "account 'A' on 2020-01-01"),
    ({"date": "2.3.2026"}, "CF708", "'2.3.2026'"),
    ({"date": ""}, "CF702", "account 'A' on None"),
    ({"outcome": "won"}, "CF708", "outcome 'won'"),
    ({"outcome": ""}, "CF708", "outcome ''"),
    ({"outcome": "not valid"}, "CF703", "nothing"),
    ({"when": "2026-02-30"}, "CF708", "'2026-02-30'"),
    ({"when": str(MONDAY - timedelta(days=1))}, "CF708", f"when '{MONDAY - timedelta(days=1)}'"),
    ({"when": str(TODAY + timedelta(days=1))}, "CF708", f"when '{TODAY + timedelta(days=1)}'"),
    ({"account_id": "C"}, "CF707", f"one that bob closed on {TODAY} (done)"),
]


def test_every_faulty_row_is_named_and_nothing_is_written(small: Workspace, churnfit: Cli, tmp_path: Path) -> None:
    """Twelve wrong rows and a second one of a CTA, beside a good one: thirteen faults, and all as before."""
    close(small, "small", "C", outcome="done", by="bob")
    plain = {"cta_id": "", "account_id": "A", "date": TUESDAY, "outcome": "saved", "why": "", "by": "ann", "when": ""}
    good = {**plain, "account_id": "B"}
    table = write(tmp_path / "outcomes.csv", good, *({**plain, **wrong} for wrong, _, _ in FAULTS), good)
    before = rows_of(small.database)
    done = import_outcomes(small, "small", table)
    assert (done.rows, done.written) == (14, 0)
    assert [(number, fault.code, fault.came) for number, fault in done.faults] == [
        *((place, code, came) for place, (_, code, came) in enumerate(FAULTS, start=2)),
        (14, "CF104", f"a second one of {next(c.cta_id for c in ctas(small, 'small') if c.account_id == 'B')}"),
    ]
    ended = churnfit("outcomes", "import", str(table), cwd=small.root)
    assert (ended.code, "nothing was written" in ended.out, "outcome 'won'" in ended.out) == (1, True, True)
    assert len(json.loads(churnfit("outcomes", "import", str(table), "--json", cwd=small.root).out)["faults"]) == 13
    assert rows_of(small.database) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, "CF401 .*no such file"),
        ("empty.csv", "", "CF402 .*a .csv file"),
        ("wrong.parquet", "no parquet", "CF402 .*a .parquet file"),
        ("columns.csv", "account_id,outcome\nA,done\n", "CF217 .*came account_id, outcome"),
        ("typo.csv", "cta_id,outcome,reason\nA,done,x\n", "CF217 .*came cta_id, outcome, reason"),
    ],
)
def test_a_file_that_is_no_table_of_outcomes_is_said(
    small: Workspace, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    """Missing, empty, damaged, without the columns, or with one too many."""
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        import_outcomes(small, "small", tmp_path / name)


def test_outcomes_are_counted_per_playbook_and_reason(small: Workspace, churnfit: Cli) -> None:
    """Of logins' four: one saved, one not valid, one recovered by itself, one still there."""
    close(small, "small", "A", outcome="saved", by="ann")
    close(small, "small", "B", outcome="not valid", by="ann", why="a test")
    night(small, 1, account("D", "red", owner=""))
    [row] = outcome_counts(small, "small").to_dict("records")
    assert row == {
        "playbook": "visit", "reason": "logins", "ctas": 4, "active": 1, "done": 0, "saved": 1, "churned": 0,
        "not_valid": 1, "recovered": 1,
    }  # fmt: skip
    assert "not valid" in churnfit("outcomes", cwd=small.root).out
    assert json.loads(churnfit("outcomes", "--json", cwd=small.root).out)["outcomes"] == [row]


def test_what_the_queue_saved_is_measured_by_who_was_held_out(
    small: Workspace, churnfit: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eighty accounts in red on day 60, half held out; each second of these left by day 80, of the others nobody."""
    names = [f"A{n:02}" for n in range(80)]
    alone = [name for name in names if held_out("small", name, 0.5)]
    left = alone[::2]
    write_tables(
        small.root,
        accounts=accounts_of(
            *({"account_id": name, "churned_at": at(70) if name in left else pd.NaT} for name in names)
        ),
        events=events_of(("A00", 95, "login")),
    )
    spec = spec_of(queue={"holdout": 0.5})
    day = at(60).date()
    with closing(replace(small, database=f"sqlite:///{small.folder / 'fresh.db'}").store()) as store:
        publish(
            store,
            replace(run_row(0), as_of=day),
            lambda standing: decide(
                [account(name, "red") for name in names], standing, spec, as_of=day, version="version-1"
            ),
        )
    monkeypatch.setenv("CHURNFIT_DATABASE", f"sqlite:///{small.folder / 'fresh.db'}")
    ended = churnfit("outcomes", "--json", cwd=small.root)
    [row] = json.loads(ended.out)["save_rates"]
    assert (row["queued"], row["called"], row["held_out"]) == (80 - len(alone), 0, len(alone))
    assert (row["churn_queued"], row["churn_held_out"]) == (0.0, pytest.approx(len(left) / len(alone)))
    assert (row["save_rate"], row["verdict"]) == (1.0, "saves")
    said = " ".join(churnfit("outcomes", cwd=small.root).out.split())
    assert "The bands count on 20.0 % of churners saved; measured: 100.0 % (" in said
    assert "set red's save_rate to 1.00 in " in said
    early = churnfit("outcomes", "--json", "--as-of", f"{at(75):%Y-%m-%d}", cwd=small.root)
    assert json.loads(early.out)["save_rates"] == []  # day 80 has not come: nothing is known


def test_what_was_done_is_a_source_of_interventions(small: Workspace, churnfit: Cli, tmp_path: Path) -> None:
    """A claimed, B closed on Tuesday, C not valid, D untouched, and E held out: three rows, dated by the deed."""
    claim(small, "small", "A", by="ann")
    close(small, "small", "C", outcome="not valid", by="ann", why="a test")
    write(tmp_path / "t.csv", {"account_id": "B", "date": TUESDAY, "outcome": "saved", "when": TUESDAY})
    assert import_outcomes(small, "small", tmp_path / "t.csv", by="ann").written == 1
    held = spec_of(queue={"holdout": 0.5})
    name = next(f"E{n}" for n in range(100) if held_out("small", f"E{n}", 0.5))
    with closing(small.store()) as store:
        publish(
            store,
            run_row(1),
            lambda standing: decide(
                [account(name, "red")], standing, held, as_of=MONDAY + timedelta(days=1), version="version-1"
            ),
        )
    assert churnfit("export", "interventions", str(tmp_path / "done.parquet"), cwd=small.root).code == 0
    found = pd.read_parquet(tmp_path / "done.parquet")
    assert found["account_id"].tolist() == ["A", "B", name]
    assert [f"{at:%Y-%m-%d}" for at in found["at"]] == [str(TODAY), TUESDAY, TUESDAY]
    assert found["held_out"].tolist() == [0.0, 0.0, 1.0]
    assert found["outcome"].tolist() == ["", "saved", ""]
    assert found["holdout_share"].tolist()[2] == 0.5
    assert found["holdout_share"].isna().tolist() == [True, True, False]
