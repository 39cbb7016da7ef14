"""Logs for machines: every line of stderr is one JSON object, and none names a customer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.conftest import CARD, Ended

from churnfit.jobs.scoring import published_runs
from churnfit.jobs.workspace import Workspace

Cli = Callable[..., Ended]


def lines(ended: Ended) -> list[dict[str, Any]]:
    """Return the log's lines; each is JSON with a moment in UTC, a level and a step."""
    found = [json.loads(line) for line in ended.err.splitlines()]
    for each in found:
        moment = datetime.fromisoformat(each["time"])
        assert moment.tzinfo == UTC
        assert each["time"].endswith("Z")
        assert each["level"] in ("info", "error")
    return found


def test_a_run_is_logged_step_by_step_with_its_key_and_counts(workspace: Workspace, churnfit: Cli) -> None:
    """Three steps, then the run as it is stored; stdout is what it was."""
    ended = churnfit("--log", "json", "score", "--card", CARD, "--as-of", "2026-07-02", cwd=workspace.root)
    assert ended.code == 0
    *steps, scored = lines(ended)
    assert [each["step"] for each in steps] == [
        "Measuring every account",
        "Scoring and explaining",
        "Publishing scores and calls to action",
    ]
    run = published_runs(workspace, CARD)[-1]
    facts = ("run_key", "accounts", "opened", "resolved", "version")
    assert {name: scored[name] for name in facts} == {name: getattr(run, name) for name in facts}
    assert (scored["step"], scored["as_of"]) == ("Scored", "2026-07-02")
    assert scored["red"] + scored["amber"] + scored["green"] == run.accounts
    assert ended.out.startswith("onboarding on 2026-07-02: ")


def test_an_error_is_logged_by_its_code(workspace: Workspace, churnfit: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that is not there: its name, which came, is not in the log."""
    monkeypatch.setenv("CHURNFIT_LOG", "json")
    ended = churnfit("explain", "Acme Ltd", "--card", CARD, cwd=workspace.root)
    assert ended.code == 2
    [line] = lines(ended)
    assert (line["level"], line["code"], line["exit_code"]) == ("error", "CF702", 2)
    assert "Acme" not in ended.err


def test_one_command_in_json_does_not_make_the_next_so(demo_workspace: Workspace, churnfit: Cli) -> None:
    """Text is what people get unless they ask; another form is refused."""
    churnfit("--log", "json", "explain", "nobody", "--card", CARD, cwd=demo_workspace.root)
    assert churnfit("explain", "nobody", "--card", CARD, cwd=demo_workspace.root).err.startswith("error[CF702]")
    wrong = churnfit("--log", "xml", "runs", "--card", CARD, cwd=demo_workspace.root)
    assert wrong.code == 2
    assert "expected  text or json" in wrong.err
