"""What a run leaves for Prometheus, read back with Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import CARD, Ended

from churnfit.errors import UsageError
from churnfit.jobs.metrics import Watch
from churnfit.jobs.scoring import published_runs, score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace, find_workspace

Cli = Callable[..., Ended]


def read(path: Path) -> dict[tuple[str, str], float]:
    """Return each number by its name and what its labels say besides the card, which all have."""
    found = {}
    for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            assert sample.labels["card"] == CARD
            rest = ",".join(value for name, value in sample.labels.items() if name != "card")
            found[sample.name, rest] = sample.value
    return found


def test_a_run_says_what_it_did(workspace: Workspace, tmp_path: Path, churnfit: Cli) -> None:
    """Date, accounts, bands, CTAs, version, and how old the newest fact was: that of 29 June ends as 30 June begins."""
    path = tmp_path / "run.prom"
    ended = churnfit("score", "--card", CARD, "--as-of", "2026-07-02", "--metrics", str(path), cwd=workspace.root)
    assert ended.code == 0, ended.err
    run, said = published_runs(workspace, CARD)[-1], read(path)
    assert said["churnfit_last_run_as_of_timestamp_seconds", ""] == pd.Timestamp("2026-07-02", tz="UTC").timestamp()
    assert said["churnfit_newest_fact_age_seconds", ""] == 2 * 86_400
    assert said["churnfit_accounts", ""] == run.accounts > 0
    assert sum(said["churnfit_band_accounts", band] for band in ("red", "amber", "green")) == run.accounts
    ctas = [said[f"churnfit_ctas_{name}", ""] for name in ("opened", "resolved", "held_out")]
    assert ctas == [run.opened, run.resolved, run.held_out]
    assert said["churnfit_champion_info", run.version] == 1
    assert said["churnfit_last_run_duration_seconds", ""] > 0
    assert said["churnfit_last_run_timestamp_seconds", ""] > said["churnfit_last_run_as_of_timestamp_seconds", ""]
    assert [each.name for each in tmp_path.glob("*prom*")] == ["run.prom"]  # nothing is left aside
    assert "A0" not in path.read_text(encoding="utf-8")  # no account


def test_the_folder_of_the_workspace_gets_a_file_for_each_card(workspace: Workspace) -> None:
    """`metrics = "metrics"` in churnfit.toml, seen from its folder; the next run replaces it."""
    path = workspace.root / "churnfit.toml"
    path.write_text(f'metrics = "metrics"\n{path.read_text(encoding="utf-8")}', encoding="utf-8")
    there = find_workspace(workspace.root)
    file = workspace.root / "metrics" / f"churnfit_{CARD}.prom"
    watch = Watch(there, CARD)
    result = score(there, CARD, as_of=DEMO_DAY, say=lambda _: None)
    watch.write(result)
    assert read(file)["churnfit_ctas_opened", ""] == result.run.opened
    watch.write(replace(result, run=replace(result.run, opened=4321)))
    assert read(file)["churnfit_ctas_opened", ""] == 4321


def test_a_run_that_fails_or_is_dry_leaves_the_file_as_it_was(
    workspace: Workspace, tmp_path: Path, churnfit: Cli
) -> None:
    """Its age is what alerts."""
    path = tmp_path / "run.prom"
    path.write_text("before", encoding="utf-8")
    asked = ("--metrics", str(path))
    assert churnfit("score", "--card", CARD, "--as-of", "2026-10-30", *asked, cwd=workspace.root).code == 1
    assert churnfit("score", "--card", CARD, "--as-of", "2026-07-01", "--dry-run", *asked, cwd=workspace.root).code == 0
    assert path.read_text(encoding="utf-8") == "before"


def test_a_file_that_the_collector_would_not_read_is_refused(demo_workspace: Workspace, tmp_path: Path) -> None:
    """CF703 before the run begins."""
    with pytest.raises(UsageError, match=r"CF703 .*a name ending in .prom; came .txt"):
        Watch(demo_workspace, CARD, given=tmp_path / "run.txt")
