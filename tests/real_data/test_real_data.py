"""The shipped specs on third-party data: what they learn, whether their gates open, and whom to call."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import lighten

from churnfit.errors import ChurnfitError, DataError
from churnfit.files import read_parquet
from churnfit.history.rules import Finding
from churnfit.jobs.history import check
from churnfit.jobs.promotion import promote
from churnfit.jobs.queue import queue
from churnfit.jobs.scoring import ScoringResult, score
from churnfit.jobs.training import FitResult, fit
from churnfit.jobs.workspace import Workspace, find_workspace

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there: third-party data is not part of the project"),
]


@dataclass(frozen=True)
class Trained:
    """A workspace with one card, fitted."""

    workspace: Workspace
    fit: FitResult

    def auc(self, model: str) -> float:
        """Return a model's AUC on the judged rows."""
        return self.fit.report.models[model]["auc"].estimate

    def outcomes(self) -> dict[str, str]:
        """Return each gate's answer."""
        return {answer.code: answer.outcome for answer in self.fit.verdict.answers}


def trained(root: Path, empty_mlflow: Path, card: str, *, trials: int, as_of: str) -> Trained:
    """Fit one of the repository's cards in a workspace of its own."""
    (root / ".churnfit").mkdir(parents=True)
    shutil.copy(empty_mlflow, root / ".churnfit" / "mlflow.db")
    shutil.copy(REPOSITORY / "churnfit.toml", root)
    spec = root / "models" / card / "scorecard.toml"
    spec.parent.mkdir(parents=True)
    text = (REPOSITORY / "models" / card / "scorecard.toml").read_text(encoding="utf-8")
    spec.write_text(re.sub(r"\.\./shared/data", str(DATA), text), encoding="utf-8")
    lighten(spec, trials=trials, bootstrap=100)
    workspace = find_workspace(root)
    return Trained(workspace, fit(workspace, card, as_of=pd.Timestamp(as_of, tz="UTC"), say=lambda _: None))


def promoted_and_scored(found: Trained, card: str, as_of: str) -> ScoringResult:
    """Promote the candidate, score a day with it, and hold every CTA's reasons against its health."""
    workspace = found.workspace
    promote(workspace, card, found.fit.version.reference, reason="its gates passed")
    result = score(workspace, card, as_of=pd.Timestamp(as_of, tz="UTC"), say=lambda _: None)
    reasons = read_parquet(workspace.folder / result.run.folder / "reasons.parquet")
    sums = reasons.groupby("account_id")["health_points"].sum()
    rows = queue(workspace, card)
    assert len(rows) == result.run.opened == result.bands["red"] > 0
    for row in rows:
        assert abs(sums[row.cta.account_id] - (row.cta.health - found.fit.card.expected_health)) <= 1e-9
    return result


def test_students_about_to_withdraw_are_found_out_of_time(tmp_path: Path, empty_mlflow: Path) -> None:
    """Learned on 2013, judged on autumn 2014: as good as LightGBM, less extreme, and a queue on 15 November 2014."""
    found = trained(tmp_path, empty_mlflow, "oulad", trials=5, as_of="2016-01-01")
    report = found.fit.report
    assert found.auc("card") >= found.auc("challenger") - 0.01
    assert found.auc("card") > found.auc("hand_made") + 0.03
    slopes = {name: model["calibration_slope"].estimate for name, model in report.models.items()}
    assert 0.75 <= slopes["card"] <= 1.2
    assert slopes["card"] > slopes["challenger"]
    assert found.fit.verdict.passed, found.fit.verdict.to_text()
    result = promoted_and_scored(found, "oulad", "2014-11-15")
    assert result.run.accounts > 5_000


@pytest.mark.parametrize(
    ("card", "least_auc", "accounts"),
    [("telco", 0.89, 5_174), ("pysurvival", 0.90, 1_068)],
)
def test_a_wide_table_goes_the_whole_way(
    tmp_path: Path, empty_mlflow: Path, card: str, least_auc: float, accounts: int
) -> None:
    """Ready measures without dates: judged on held-out accounts, gates passed, promoted, all who stayed scored."""
    found = trained(tmp_path, empty_mlflow, card, trials=2, as_of="2026-01-01")
    assert found.auc("card") >= least_auc
    assert found.fit.verdict.passed, found.fit.verdict.to_text()
    assert promoted_and_scored(found, card, "2026-01-01").run.accounts == accounts


@pytest.mark.parametrize("card", ["oulad", "ravenstack", "telco", "pysurvival"])
def test_the_shipped_specs_do_not_leak(tmp_path: Path, card: str) -> None:
    """No leak is found in them, neither as an error nor as a warning."""
    leaks = {"CF109", "CF115", "CF116", "CF117", "CF118", "CF119"}
    assert [finding for finding in checked(tmp_path, card) if finding.code in leaks] == []


def test_columns_that_are_made_of_churn_are_caught(tmp_path: Path) -> None:
    """Telco's churn_label, churn_reason and churn_score; the last has no AUC of 0.97, but values only churners have."""
    leaking = ("churn_label", "churn_reason", "churn_score")
    measures = "".join(f'[measures.{name}]\ngroup = "usage"\naggregate = "column"\n\n' for name in leaking)
    found = checked(
        tmp_path,
        "telco",
        ("[measures.tenure_in_months]", measures + "[measures.tenure_in_months]"),
        ("FROM customers", f", {', '.join(leaking)} FROM customers"),
    )
    assert {finding.where.removeprefix("measures.") for finding in found} == set(leaking)
    assert {finding.code for finding in found if finding.where == "measures.churn_score"} == {"CF117"}
    assert all(finding.severity == "error" for finding in found)


def checked(root: Path, card: str, *changes: tuple[str, str]) -> list[Finding]:
    """Return what `check` finds with one of the repository's cards, its text changed."""
    shutil.copy(REPOSITORY / "churnfit.toml", root)
    text = (REPOSITORY / "models" / card / "scorecard.toml").read_text(encoding="utf-8")
    for old, new in (("../shared/data", str(DATA)), *changes):
        assert old in text
        text = text.replace(old, new)
    spec = root / "models" / card / "scorecard.toml"
    spec.parent.mkdir(parents=True)
    spec.write_text(text, encoding="utf-8")
    return check(find_workspace(root), card, as_of=pd.Timestamp("2026-01-01", tz="UTC"))


def test_where_there_is_nothing_to_learn_nothing_is_learned(tmp_path: Path, empty_mlflow: Path) -> None:
    """RavenStack's churn was drawn by lot, and 35 accounts are few: refused before a card exists to be promoted."""
    with pytest.raises(DataError, match=r"CF103 .*tell 35 churned accounts from the others beyond chance; came what"):
        trained(tmp_path, empty_mlflow, "ravenstack", trials=1, as_of="2026-01-01")
    with pytest.raises(ChurnfitError):
        promote(find_workspace(tmp_path), "ravenstack", "latest", reason="please")
    assert not (tmp_path / "models" / "ravenstack" / "champion.json").exists()
