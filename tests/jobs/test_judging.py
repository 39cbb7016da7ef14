"""What is judged beside what, and the reports that can be had of it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import CARD
from tests.history.tiny_world import events_of
from tests.jobs.small_workspace import AS_OF, SPEC, accounts, make

from churnfit.errors import DataError, UsageError
from churnfit.evaluation.report import EvaluationReport
from churnfit.jobs.judging import REPORTS, logged_report, write_report
from churnfit.jobs.training import backtest, fit
from churnfit.jobs.workspace import Workspace, find_workspace

ROLLING = SPEC.replace('method = "held_out_accounts"', "judge_share = 0.5\norigins = 2")


def test_a_fit_logs_its_report_in_every_rendering(demo_workspace: Workspace) -> None:
    """Text, Markdown, one HTML page and JSON say the same numbers, and the figures lie beside the Markdown."""
    auc = "{estimate:.3f} ({low:.3f} to {high:.3f})".format(
        **json.loads(logged_report(demo_workspace, CARD, "champion", name="report.json"))["models"]["card"]["auc"]
    )
    shown = {name: logged_report(demo_workspace, CARD, "champion", name=name) for name in REPORTS.values()}
    assert auc in shown["report.txt"]
    assert auc in shown["report.md"]
    assert auc.replace(" (", ' <span class="of">(') in shown["report.html"]
    assert shown["report.html"].count("<svg ") == 5
    run = Path(next(demo_workspace.folder.rglob("report.html"))).parent
    linked = [line.split("(")[1].removesuffix(")") for line in shown["report.md"].splitlines() if line[:2] == "!["]
    assert linked == [f"figures/{name}.png" for name in ("lift", "health", "flips", "profit", "calibration")]
    assert all((run / place).is_file() for place in linked)


def test_the_demos_report_says_what_the_card_misses(demo_workspace: Workspace) -> None:
    """The simulated history adds up: no pair is named, and the strongest is told with the reference."""
    found = json.loads(logged_report(demo_workspace, CARD, "champion", name="report.json"))["price"]["interactions"]
    assert found["named"] == []
    assert found["strongest"]["mean_abs_logit"]["low"] <= found["chance_logit"]
    assert "No pair is clearly stronger than chance" in logged_report(demo_workspace, CARD, "champion")


def test_the_demos_gates_looked_at_past_weeks_and_at_what_matured(demo_workspace: Workspace) -> None:
    """The replay of six weeks and the labels of the judged accounts stand in the verdict that is kept."""
    verdict = logged_report(demo_workspace, CARD, "champion", name="gates.txt")
    outcomes = {line.split()[0]: " ".join(line.split()) for line in verdict.splitlines() if line.startswith("CF0")}
    assert len(outcomes) == 15
    for code in ("CF010", "CF012", "CF013", "CF014", "CF015"):
        assert " passed " in outcomes[code], outcomes[code]


@pytest.mark.parametrize(
    ("name", "code"), [("report.pdf", "CF703"), ("report", "CF703"), ("there.html", "CF506"), ("new.html", "CF602")]
)
def test_a_report_that_cannot_be_written_is_an_error(
    demo_workspace: Workspace, tmp_path: Path, name: str, code: str
) -> None:
    """Another ending, a file that is there, a version that is not; nothing is written."""
    (tmp_path / "there.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=code):
        write_report(demo_workspace, CARD, "candidate-99" if code == "CF602" else "latest", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text(encoding="utf-8") == "mine"


def test_more_origins_put_a_rolling_backtest_into_the_report(tmp_path: Path) -> None:
    """Two windows: what `backtest` finds is what `fit` reports, with a figure; origins without a card say why."""
    workspace = find_workspace(make(tmp_path, spec=ROLLING, accounts=_many(), events=_logins()))
    day = pd.Timestamp(AS_OF, tz="UTC")
    found = backtest(workspace, "small", origins=None, as_of=day, say=lambda _: None)
    assert len(found.origins) == 2
    assert found.pooled
    report: EvaluationReport = fit(workspace, "small", as_of=day, say=lambda _: None).report
    assert report.backtest == found
    assert "Rolling backtest: origin by origin" in report.to_text()
    assert "figures/origins.png" in logged_report(workspace, "small", "latest", name="report.md")
    early = backtest(workspace, "small", origins=5, as_of=day, say=lambda _: None)
    assert len(early.origins) == 5
    assert all(row.models or row.reason for row in early.origins)


def test_a_backtest_needs_cohorts(tmp_path: Path) -> None:
    """Held-out accounts have no order in time."""
    workspace = find_workspace(make(tmp_path, accounts=_many(), events=_logins()))
    with pytest.raises(DataError, match=r"CF110.*out_of_time"):
        backtest(workspace, "small", origins=3, as_of=pd.Timestamp(AS_OF, tz="UTC"), say=lambda _: None)


def _many() -> pd.DataFrame:
    """Return the sixty accounts sixteen times, all within the same sixty days."""
    table = accounts()
    return pd.concat(
        [table.assign(account_id=table["account_id"] + end) for end in "abcdefghijklmnop"], ignore_index=True
    )


def _logins() -> pd.DataFrame:
    """Return logins of those who stay and of one churner in five, not of one in seven of those who stay."""
    names = list(enumerate(_many()["account_id"]))
    return events_of(*((name, n % 60 + 5.5, "login") for n, name in names if (n % 7 if n % 60 % 3 else n % 5 == 0)))
