"""Every verb on the demo's workspace: what it prints, as text and as JSON, and how it exits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.conftest import CARD, Ended
from tests.jobs.test_promotion import another
from tests.small_card import contents

from churnfit import __version__
from churnfit.errors import CODES
from churnfit.jobs.scoring import published_runs
from churnfit.jobs.workspace import Workspace
from churnfit.scorecard.card import SCHEMA_VERSION

Cli = Callable[..., Ended]
DAY = "2026-06-30"
VERBS = ("init", "demo", "doctor", "check", "snapshot", "labels", "patterns", "fit", "report", "backtest", "show",
         "list", "diff", "promote", "rollback", "score", "score-file", "runs", "queue", "cta", "outcomes", "explain",
         "export", "override", "explain-code", "ledger", "reproduce", "gates", "model-card", "journey", "perception",
         "stages", "wins", "feeds", "shadow")  # fmt: skip


def document(ended: Ended, code: int = 0) -> dict[str, Any]:
    """Return the one JSON document on stdout."""
    assert ended.code == code, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    assert found["schema_version"] == 1
    return found


def test_help_lists_every_verb_with_a_sentence(churnfit: Cli, tmp_path: Path) -> None:
    """And every verb has help of its own."""
    ended = churnfit("--help", cwd=tmp_path)
    assert ended.code == 0
    for verb in VERBS:
        assert f" {verb} " in ended.out
        assert churnfit(verb, "--help", cwd=tmp_path).code == 0


def test_the_version_is_printed(churnfit: Cli, tmp_path: Path) -> None:
    """As the package has it."""
    assert churnfit("--version", cwd=tmp_path) == Ended(code=0, out=f"churnfit {__version__}\n", err="")


def test_init_writes_a_workspace_once(churnfit: Cli, tmp_path: Path) -> None:
    """The files it wrote, and CF506 with nothing changed the second time."""
    ended = churnfit("init", "new", cwd=tmp_path)
    assert ended.code == 0
    written = contents(tmp_path)
    assert sorted(ended.out.split()) == sorted(written)
    again = churnfit("init", "new", cwd=tmp_path)
    assert (again.code, again.out) == (2, "")
    assert "error[CF506]" in again.err
    assert contents(tmp_path) == written


def test_doctor_finds_the_demo_well(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Stores, specs and the champion's hash; what is installed is the machine's affair, and decides the exit code."""
    ended = churnfit("doctor", "--json", cwd=demo_workspace.root)
    listed = json.loads(ended.out)["looked_at"]
    found = {item["what"]: item for item in listed}
    assert all(item["well"] for item in listed if item["what"] != "packages")
    assert ended.code == (0 if found["packages"]["well"] else 1)
    assert found["champion of onboarding"]["found"].startswith("version-1, sha256 ")
    assert found["champion of dear"]["found"] == "none yet"
    assert found["ledger of onboarding"]["found"] == "intact; rows: 1"
    assert "champion of onboarding" in churnfit("doctor", cwd=demo_workspace.root).out


def test_doctor_outside_a_workspace_is_a_finding(churnfit: Cli, tmp_path: Path) -> None:
    """Exit code 1, and which part is not well."""
    ended = churnfit("doctor", cwd=tmp_path)
    assert ended.code == 1
    assert "NOT WELL" in ended.out
    assert "CF501" in ended.out


def test_check_finds_the_demos_sources_in_order(churnfit: Cli, demo_workspace: Workspace) -> None:
    """No error; as JSON, the list of findings."""
    found = document(churnfit("check", "--card", CARD, "--as-of", DAY, "--json", cwd=demo_workspace.root))
    assert [finding for finding in found["findings"] if finding["severity"] == "error"] == []


def test_check_writes_a_profile_once(churnfit: Cli, demo_workspace: Workspace, tmp_path: Path) -> None:
    """One page with every measure; a file that is there is not overwritten, another ending is refused."""
    page = tmp_path / "profile.html"
    assert churnfit("check", "--card", CARD, "--profile", str(page), cwd=demo_workspace.root).code == 0
    written = page.read_text(encoding="utf-8")
    assert written.count("<h2") == 4 + len(demo_workspace.spec(CARD).measures)
    again = churnfit("check", "--card", CARD, "--profile", str(page), cwd=demo_workspace.root)
    assert (again.code, "error[CF506]" in again.err) == (2, True)
    other = churnfit("check", "--card", CARD, "--profile", str(tmp_path / "profile.pdf"), cwd=demo_workspace.root)
    assert (other.code, "error[CF703]" in other.err) == (2, True)
    assert page.read_text(encoding="utf-8") == written


def test_check_before_the_data_ends_is_no_finding(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Held against an earlier day, later events are not looked at, and are no fault."""
    ended = churnfit("check", "--card", CARD, "--as-of", "2025-06-30", "--json", cwd=demo_workspace.root)
    assert document(ended)["findings"] == []


def test_snapshot_writes_the_measures_of_a_day(churnfit: Cli, demo_workspace: Workspace, tmp_path: Path) -> None:
    """One row per account of the stage."""
    path = tmp_path / "snapshot.parquet"
    ended = churnfit("snapshot", str(path), "--card", CARD, "--as-of", DAY, cwd=demo_workspace.root)
    table = pd.read_parquet(path)
    assert ended == Ended(code=0, out=f"{path}: {len(table):,} accounts\n", err="")
    assert table["account_id"].is_unique
    assert {"tickets_28d", "tickets_28d__state"} <= set(table.columns)


def test_labels_prints_the_ledger(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Per cohort; matured, immature, treated and excluded."""
    found = document(churnfit("labels", "--card", CARD, "--as-of", DAY, "--json", cwd=demo_workspace.root))
    assert len(found["cohorts"]) > 20
    assert {"cohort", "matured", "immature", "treated"} <= set(found["cohorts"][0])
    assert "labels per cohort" in churnfit("labels", "--card", CARD, "--as-of", DAY, cwd=demo_workspace.root).out


def test_fit_again_makes_the_same_card(churnfit: Cli, workspace: Workspace) -> None:
    """Same data, same spec: the same bytes, now judged beside the champion; exit code by verdict."""
    ended = churnfit("fit", "--card", CARD, "--as-of", DAY, "--json", cwd=workspace.root)
    found = json.loads(ended.out)
    assert found["schema_version"] == 1
    assert found["version"]["sha256"] == workspace.registry().resolve(CARD, "candidate-1").sha256
    assert found["version"]["number"] == 2
    assert found["verdict"]["passed"] is (ended.code == 0)
    answers = {answer["code"]: answer["outcome"] for answer in found["verdict"]["answers"]}
    assert answers["CF004"] == "passed"  # not worse than itself
    assert "Learning the scorecard" in ended.err


def test_report_prints_or_writes_the_evaluation(churnfit: Cli, demo_workspace: Workspace, tmp_path: Path) -> None:
    """As text, as the one JSON document, or as a page in a new file."""
    text = churnfit("report", "--card", CARD, cwd=demo_workspace.root)
    assert (text.code, "Does it predict?" in text.out) == (0, True)
    found = document(churnfit("report", "champion", "--card", CARD, "--json", cwd=demo_workspace.root))
    assert found["models"]["card"]["auc"]["estimate"] > 0.5
    path = tmp_path / "report.html"
    arguments = ("report", "--output", str(path), "--card", CARD)
    assert churnfit(*arguments, cwd=demo_workspace.root) == Ended(code=0, out=f"{path}\n", err="")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    again = churnfit(*arguments, cwd=demo_workspace.root)
    assert (again.code, "error[CF506]" in again.err) == (2, True)


def test_the_model_card_is_printed_or_written(churnfit: Cli, demo_workspace: Workspace, tmp_path: Path) -> None:
    """As Markdown, or as a page in a new file; never as anything else."""
    printed = churnfit("model-card", "champion", "--card", CARD, cwd=demo_workspace.root)
    assert (printed.code, "## Limits" in printed.out) == (0, True)
    path = tmp_path / "card.html"
    written = churnfit("model-card", "champion", "--card", CARD, "--output", str(path), cwd=demo_workspace.root)
    assert (written.code, path.read_text(encoding="utf-8").startswith("<!doctype html>")) == (0, True)
    wrong = churnfit("model-card", "--card", CARD, "--output", str(tmp_path / "card.pdf"), cwd=demo_workspace.root)
    assert (wrong.code, "error[CF703]" in wrong.err) == (2, True)


def test_the_early_patterns_of_the_demo_put_the_first_tell_first(churnfit: Cli, demo_workspace: Workspace) -> None:
    """A planted measure tells on day 30, and nobody is told by how often the theme was changed."""
    found = document(churnfit("patterns", "--card", CARD, "--as-of", "2026-06-30", "--json", cwd=demo_workspace.root))
    rows = {(row["measure"], row["stage_day"]): row for row in found["patterns"]}
    assert found["patterns"][0]["tells"]
    assert found["patterns"][0]["stage_day"] == 30
    assert rows["active_seats_28d", 30]["tells"]
    assert rows["active_seats_28d", 30]["churned"] < rows["active_seats_28d", 30]["stayed"]
    text = churnfit("patterns", "--card", CARD, "--as-of", "2026-06-30", cwd=demo_workspace.root).out
    assert "Seats active in 28 days" in text


def test_the_journey_of_the_demo_says_what_takes_longest(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Go-live is the slowest step in every segment; who is late is listed; a card without a journey says so."""
    found = document(churnfit("journey", "--card", CARD, "--as-of", "2026-06-30", "--json", cwd=demo_workspace.root))
    assert {time["segment"] for time in found["times"]} == {"all", "enterprise", "mid_market", "smb"}
    assert {time["step"] for time in found["times"] if time["slowest"]} == {"go_live"}
    assert all(late["days_late"] > 0 for late in found["overdue"] + found["overstaying"])
    text = churnfit("journey", "--card", CARD, "--as-of", "2026-06-30", cwd=demo_workspace.root)
    assert (text.code, "Overstaying" in text.out, "Past a due day" in text.out) == (0, True, True)
    none = churnfit("journey", "--card", "dear", cwd=demo_workspace.root)
    assert (none.code, "error[CF703]" in none.err) == (2, True)


def test_the_champion_s_shadow_is_itself(churnfit: Cli, demo_workspace: Workspace) -> None:
    """The demo's one night is too young to judge, and nothing differs on it."""
    text = churnfit("shadow", "champion", "--card", CARD, "--as-of", DAY, cwd=demo_workspace.root)
    assert text.code == 0
    assert "in the shadow of version-1" in text.out
    assert "no account changes band" in text.out
    assert "not judged: too few" in text.out
    found = document(churnfit("shadow", "champion", "--card", CARD, "--as-of", DAY, "--json", cwd=demo_workspace.root))
    assert found["judged"]["rows"] == 0


def test_gates_are_listed_with_the_limits_of_the_spec(churnfit: Cli, workspace: Workspace) -> None:
    """Every gate, what it asks, its limits; a waived one gives the reason."""
    spec = workspace.cards[CARD]
    waived = '[gates]\nwaived = { CF014 = "calls are shared by a pool" }'
    spec.write_text(spec.read_text(encoding="utf-8").replace("[gates]", waived), encoding="utf-8")
    found = {
        gate["code"]: gate
        for gate in document(churnfit("gates", "--card", CARD, "--json", cwd=workspace.root))["gates"]
    }
    assert (len(found), found["CF002"]["limits"]) == (15, {"min_auc_lower": 0.65})
    assert (found["CF014"]["waived"], found["CF013"]["waived"]) == ("calls are shared by a pool", None)
    text = churnfit("gates", "--card", CARD, cwd=workspace.root)
    assert (text.code, "waived: calls are shared by a pool" in text.out) == (0, True)


def test_backtest_rolls_and_registers_nothing(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Two origins, each learned on earlier accounts; the versions stay as they were."""
    before = demo_workspace.registry().versions(CARD)
    ended = churnfit("backtest", "--card", CARD, "--origins", "2", "--as-of", DAY, "--json", cwd=demo_workspace.root)
    found = document(ended)
    assert [bool(row["models"]) for row in found["origins"]] == [True, True]
    assert found["origins"][0]["trained_rows"] < found["origins"][1]["trained_rows"]
    assert found["pooled"]["card"]["auc"]["low"] > found["pooled"]["hand_made"]["auc"]["high"]
    assert ended.err.count("Learning from") == 2
    assert demo_workspace.registry().versions(CARD) == before


def test_show_prints_card_and_gates(churnfit: Cli, demo_workspace: Workspace) -> None:
    """As text with the gates; as JSON the card's own bytes."""
    ended = churnfit("show", "--card", CARD, cwd=demo_workspace.root)
    assert ended.code == 0
    assert "Tickets opened in 28 days" in ended.out
    assert "CF002" in ended.out
    shown = churnfit("show", "version-1", "--card", CARD, "--json", cwd=demo_workspace.root)
    assert shown.out == (demo_workspace.cards[CARD].parent / "champion.json").read_text(encoding="utf-8")
    assert json.loads(shown.out)["schema_version"] == SCHEMA_VERSION
    missing = churnfit("show", "nowhere.json", "--card", CARD, cwd=demo_workspace.root)
    assert (missing.code, "error[CF401]" in missing.err) == (2, True)


def test_list_and_diff(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Two versions of one card: listed with the champion marked, and no difference between them."""
    found = document(churnfit("list", "--card", CARD, "--json", cwd=demo_workspace.root))
    assert [(v["reference"], v["is_champion"]) for v in found["versions"]] == [
        ("candidate-1", False),
        ("version-1", True),
    ]
    assert "champion" in churnfit("list", "--card", CARD, cwd=demo_workspace.root).out
    ended = churnfit("diff", "candidate-1", "version-1", "--card", CARD, cwd=demo_workspace.root)
    assert ended == Ended(code=0, out="no difference\n", err="")
    said = document(churnfit("diff", "champion", "--card", CARD, "--json", cwd=demo_workspace.root))
    assert said["changes"] == []


def test_promote_plans_then_applies_then_rolls_back(churnfit: Cli, workspace: Workspace) -> None:
    """The plan changes nothing, --apply needs a reason, and rollback is the way back."""
    plan = churnfit("promote", "candidate-1", "--card", CARD, cwd=workspace.root)
    assert plan.code == 0
    assert "candidate-1 would replace version-1" in plan.out
    assert "Nothing was changed. To do just this: churnfit promote candidate-1 --card onboarding --apply" in plan.out
    assert plan.out.count("no account changes band") == 4
    assert f"{DAY}: " in plan.out
    unsaid = churnfit("promote", "--card", CARD, "--apply", cwd=workspace.root)
    assert (unsaid.code, "error[CF703]" in unsaid.err) == (2, True)
    again = churnfit("promote", "--card", CARD, "--apply", "--reason", "again", cwd=workspace.root)
    assert again == Ended(code=0, out="onboarding: version-1 (from candidate-1) is the champion\n", err="")
    another(workspace)
    found = document(churnfit("promote", "--card", CARD, "--weeks", "1", "--json", cwd=workspace.root))
    assert {change["after"] for change in found["replay"]["changes"]} == {"red"}
    assert list(found["replay"]["accounts"]) == [DAY]
    wrong = ("promote", "--card", CARD, "--apply", "--reason", "x", "--plan", "20260630x1-0123456789ab")
    stale = churnfit(*wrong, cwd=workspace.root)
    assert (stale.code, "error[CF609]" in stale.err) == (3, True)
    both = churnfit("promote", "--ask", "--apply", "--reason", "x", "--card", CARD, cwd=workspace.root)
    assert (both.code, "came both" in " ".join(both.err.split())) == (2, True)
    asked = churnfit("promote", "--ask", "--reason", "x", "--by", "ann", "--card", CARD, cwd=workspace.root)
    assert (asked.code, "ann asks for candidate-2" in asked.out) == (0, True)
    done = churnfit("promote", "--card", CARD, "--apply", "--reason", "another", cwd=workspace.root)
    assert done == Ended(code=0, out="onboarding: version-2 (from candidate-2) is the champion\n", err="")
    asked = churnfit("rollback", "--card", CARD, cwd=workspace.root)
    assert (asked.code, "version-2 would give way to version-1" in asked.out) == (0, True)
    assert workspace.registry().resolve(CARD, "champion").reference == "version-2"
    back = churnfit("rollback", "--card", CARD, "--apply", cwd=workspace.root)
    run = published_runs(workspace, CARD)[0]
    canary = f"{run.accounts} accounts of {DAY} score as published"
    assert back == Ended(code=0, out=f"onboarding: version-1 is the champion again; {canary}\n", err="")
    no_further = churnfit("rollback", "--card", CARD, "--apply", cwd=workspace.root)
    assert (no_further.code, "error[CF607]" in no_further.err) == (2, True)


def test_the_ledger_is_listed_verified_and_mended(churnfit: Cli, workspace: Workspace) -> None:
    """One move; intact, until somebody edits a reason: exit code 4, and scoring is refused until it is adopted."""
    at = ("--card", CARD)
    [row] = document(churnfit("ledger", *at, "--json", cwd=workspace.root))["rows"]
    assert (row["kind"], row["version"], row["reason"]) == ("promoted", 1, "first champion of the demo")
    assert "first champion of the demo" in churnfit("ledger", *at, cwd=workspace.root).out
    well = churnfit("ledger", "verify", *at, cwd=workspace.root)
    assert (well.code, "intact; rows: 1; every hash, link, card and artifact is as written" in well.out) == (0, True)
    assert document(churnfit("ledger", "verify", *at, "--json", cwd=workspace.root))["intact"] is True
    assert "nothing to mend" in churnfit("ledger", "mend", *at, cwd=workspace.root).out
    with closing(sqlite3.connect(workspace.folder / "churnfit.db")) as database:
        database.execute("UPDATE ledger SET done_by = 'somebody else'")
        database.commit()
    found = churnfit("ledger", "verify", *at, cwd=workspace.root)
    assert (found.code, "row 1: its hash is not that of its fields" in found.out) == (4, True)
    assert document(churnfit("ledger", "verify", *at, "--json", cwd=workspace.root), 4)["intact"] is False
    refused = churnfit("score", *at, "--as-of", "2026-07-01", cwd=workspace.root)
    assert (refused.code, "error[CF610]" in refused.err) == (4, True)
    doctor = churnfit("doctor", cwd=workspace.root)
    assert (doctor.code, "CF610 ledger of 'onboarding'" in doctor.out) == (1, True)
    unsaid = churnfit("ledger", "mend", "--adopt", *at, cwd=workspace.root)
    assert (unsaid.code, "error[CF703]" in unsaid.err) == (2, True)
    assert churnfit("ledger", "mend", "--adopt", "--reason", "seen", *at, cwd=workspace.root).code == 0
    assert churnfit("score", *at, "--as-of", "2026-07-01", "--dry-run", cwd=workspace.root).code == 0
    assert churnfit("ledger", "verify", *at, cwd=workspace.root).code == 4  # row 1 is what it was made


def test_options_before_a_verb_are_that_verb_s(churnfit: Cli, demo_workspace: Workspace) -> None:
    """`ledger --card X --json verify` is `ledger verify --card X --json`; a card that is none is refused either way."""
    before = churnfit("ledger", "--card", CARD, "--json", "verify", cwd=demo_workspace.root)
    assert document(before) == document(churnfit("ledger", "verify", "--card", CARD, "--json", cwd=demo_workspace.root))
    wrong = churnfit("ledger", "--card", "none", "verify", cwd=demo_workspace.root)
    assert (wrong.code, "'none'" in wrong.err) == (2, True)
    dated = churnfit("outcomes", "--as-of", DAY, "import", "x.csv", cwd=demo_workspace.root)
    assert (dated.code, "came --as-of" in " ".join(dated.err.split())) == (2, True)
    table = churnfit("outcomes", "--card", "none", "import", "x.csv", cwd=demo_workspace.root)
    assert (table.code, "'none'" in table.err) == (2, True)


def test_score_again_has_nothing_to_do(churnfit: Cli, workspace: Workspace) -> None:
    """Exit code 0 and a sentence; a new date, dry, then done."""
    again = churnfit("score", "--card", CARD, "--as-of", DAY, cwd=workspace.root)
    assert (again.code, "published before, nothing to do" in again.out) == (0, True)
    again = churnfit("score", "--card", CARD, "--as-of", DAY, "--dry-run", cwd=workspace.root)
    assert (again.code, "published before, nothing to do" in again.out, "it would be" in again.out) == (0, True, False)
    dry = churnfit("score", "--card", CARD, "--as-of", "2026-07-01", "--dry-run", cwd=workspace.root)
    assert (dry.code, "dry run, nothing was written" in dry.out) == (0, True)
    done = document(churnfit("score", "--card", CARD, "--as-of", "2026-07-01", "--json", cwd=workspace.root))
    assert (done["published"], done["run"]["as_of"]) == (True, "2026-07-01")


def test_reproduce_says_which_bytes_were_compared(churnfit: Cli, demo_workspace: Workspace) -> None:
    """The newest run, that of a date, or all; a date without a run is a usage error."""
    said = churnfit("reproduce", "--card", CARD, cwd=demo_workspace.root)
    assert (said.code, "are byte for byte what was published" in said.out) == (0, True)
    assert churnfit("reproduce", "--card", CARD, "--as-of", DAY, "--all", cwd=demo_workspace.root) == said
    [one] = document(churnfit("reproduce", "--card", CARD, "--json", cwd=demo_workspace.root))["reproduced"]
    assert one["compared"] == ["snapshot", "scores", "reasons"]
    none = churnfit("reproduce", "--card", CARD, "--as-of", "2026-01-01", cwd=demo_workspace.root)
    assert (none.code, "error[CF702]" in none.err) == (2, True)


def test_runs_and_queue(churnfit: Cli, demo_workspace: Workspace) -> None:
    """One run; its CTAs with reasons, and the load per owner."""
    [run] = document(churnfit("runs", "--card", CARD, "--json", cwd=demo_workspace.root))["runs"]
    assert run["as_of"] == DAY
    assert DAY in churnfit("runs", "--card", CARD, cwd=demo_workspace.root).out
    ctas = document(churnfit("queue", "--card", CARD, "--json", cwd=demo_workspace.root))["ctas"]
    assert len(ctas) == run["opened"]
    text = churnfit("queue", "--card", CARD, cwd=demo_workspace.root).out
    assert all(cta["account_id"] in text for cta in ctas)
    assert "Load: " in text
    nobody = churnfit("queue", "--card", CARD, "--owner", "nobody", cwd=demo_workspace.root)
    assert nobody.out == "No open calls to action.\n"


def test_a_snapshot_is_scored_by_file_and_by_query_alike(
    churnfit: Cli, demo_workspace: Workspace, tmp_path: Path
) -> None:
    """The day's snapshot, scored as a file and by the exported DuckDB query, has the published scores."""
    import duckdb

    here = demo_workspace.root
    snapshot, scores, query = (tmp_path / name for name in ("in.parquet", "out.parquet", "card.sql"))
    [run] = [run for run in published_runs(demo_workspace, CARD) if run.as_of.isoformat() == DAY][:1]
    published = pd.read_parquet(demo_workspace.folder / run.folder / "scores.parquet")
    pd.read_parquet(demo_workspace.folder / run.folder / "snapshot.parquet").to_parquet(snapshot)
    told = churnfit("score-file", str(snapshot), str(scores), "--card", CARD, "--version", run.version, cwd=here)
    assert (told.code, told.out.split(":")[1].split(",")[0]) == (0, f" {len(published)} accounts"), told.err
    asked = churnfit("export", "sql", str(query), "--card", CARD, "--version", run.version, "--from", "snap", cwd=here)
    assert asked.code == 0, asked.err
    con = duckdb.connect()
    con.register("snap", con.read_parquet(str(snapshot)))
    by_query = con.sql(query.read_text()).to_arrow_table().to_pandas()
    for found in (pd.read_parquet(scores), by_query):
        for name in ("account_id", "health", "band", "coverage"):
            assert found[name].tolist() == published[name].tolist(), name
    wrong = churnfit("export", "sql", str(query), "--card", CARD, "--dialect", "oracle", "--replace", cwd=here)
    assert (wrong.code, "CF703" in wrong.err) == (2, True)
    assert churnfit("export", "sql", str(query), "--card", CARD, cwd=here).code == 2


def test_explain_and_export(churnfit: Cli, demo_workspace: Workspace, tmp_path: Path) -> None:
    """Why one account has its score, and the whole queue in a file."""
    [first, *_] = document(churnfit("queue", "--card", CARD, "--json", cwd=demo_workspace.root))["ctas"]
    found = document(churnfit("explain", first["account_id"], "--card", CARD, "--json", cwd=demo_workspace.root))
    total = sum(reason["health_points"] for reason in found["reasons"])
    assert total == pytest.approx(found["score"]["health"] - found["expected_health"], abs=1e-9)
    text = churnfit("explain", first["account_id"], "--card", CARD, "--as-of", DAY, cwd=demo_workspace.root)
    assert (text.code, "the reasons below sum to" in text.out) == (0, True)
    unknown = churnfit("explain", "nobody", "--card", CARD, cwd=demo_workspace.root)
    assert (unknown.code, "error[CF702]" in unknown.err) == (2, True)
    path = tmp_path / "queue.csv"
    assert churnfit("export", "queue", str(path), "--card", CARD, cwd=demo_workspace.root).code == 0
    assert first["account_id"] in path.read_text(encoding="utf-8")
    wrong = churnfit("export", "ctas", str(path), "--card", CARD, cwd=demo_workspace.root)
    assert (wrong.code, "error[CF703]" in wrong.err) == (2, True)


def test_explain_says_what_moved_an_account_since_another_run(churnfit: Cli, workspace: Workspace) -> None:
    """A section after the reasons, and the same in the document; a date without a run is CF702."""
    here = workspace.root
    [first, *_] = document(churnfit("queue", "--card", CARD, "--json", cwd=here))["ctas"]
    asked = ("explain", first["account_id"], "--card", CARD, "--since", "2026-06-29")
    assert churnfit("score", "--card", CARD, "--as-of", "2026-06-29", cwd=here).code == 0
    text = churnfit(*asked, cwd=here)
    assert text.code == 0
    assert text.out.index("the reasons below sum to") < text.out.index("Since 2026-06-29 ")
    found = document(churnfit(*asked, "--json", cwd=here))
    moved = sum(change["health_points"] for change in found["changes"])
    assert moved == found["score"]["health"] - found["before"]["health"]
    absent = churnfit(*asked[:-1], "2026-06-01", cwd=here)
    assert (absent.code, "error[CF702]" in absent.err) == (2, True)


def test_every_code_is_explained(churnfit: Cli, tmp_path: Path) -> None:
    """What an error says to look up is there; another code is a usage error."""
    for code, text in CODES.items():
        assert churnfit("explain-code", code, cwd=tmp_path) == Ended(code=0, out=f"{code}: {text}\n", err="")
    assert churnfit("explain-code", "CF000", cwd=tmp_path).code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("score", "--card", CARD, "--as-of", "yesterday"), "expected  a date YYYY-MM-DD"),
        (("score", "--card", CARD, "--as-of", "2026-02-30"), "expected  a date of the calendar"),
        (("queue",), "expected  --card, as there are several cards"),
        (("queue", "--card", "onbording"), "nearest valid name: 'onboarding'"),
        (("show", "candidate-99", "--card", CARD), "error[CF602]"),
        (("score", "--card", "dear"), "error[CF602]"),
        (("nonsense",), "nonsense"),
        (("score", "--nonsense"), "nonsense"),
        (("demo", "--accounts", "5"), "1200"),
    ],
)
def test_wrong_usage_is_exit_code_two(
    churnfit: Cli, demo_workspace: Workspace, arguments: tuple[str, ...], said: str
) -> None:
    """Nothing on stdout, what was wrong on stderr, no traceback."""
    ended = churnfit(*arguments, cwd=demo_workspace.root)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_an_error_as_json_is_the_one_document(churnfit: Cli, demo_workspace: Workspace) -> None:
    """Its four parts and the code, on stdout."""
    ended = churnfit("explain", "nobody", "--card", CARD, "--json", cwd=demo_workspace.root)
    found = document(ended, 2)["error"]
    assert set(found) == {"code", "where", "expected", "came", "fix"}
    assert found["code"] == "CF702"


def test_tampering_is_exit_code_four(churnfit: Cli, workspace: Workspace) -> None:
    """A changed artifact stops scoring, and doctor says so."""
    for path in (workspace.folder / "artifacts").rglob("scorecard-*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace("Tickets", "Tackets"), encoding="utf-8")
    ended = churnfit("score", "--card", CARD, "--as-of", "2026-07-01", cwd=workspace.root)
    assert (ended.code, "error[CF601]" in ended.err) == (4, True)
    doctor = churnfit("doctor", cwd=workspace.root)
    assert (doctor.code, "CF601" in doctor.out) == (1, True)


def test_a_bug_is_exit_code_seventy_without_a_traceback(
    churnfit: Cli, demo_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is called a bug, with how to see more: here a folder stands where a module's data should."""
    monkeypatch.setattr("churnfit.cta.store.Store.runs", None)
    ended = churnfit("runs", "--card", CARD, cwd=demo_workspace.root)
    assert ended.code == 70
    assert ended.err.startswith("A bug in churnfit: ")
    assert "--debug" in ended.err
    assert "Traceback" not in ended.err
