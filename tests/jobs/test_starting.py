"""init and demo keep their hands off what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from churnfit.errors import UsageError
from churnfit.jobs.starting import demo, init


def test_the_demo_refuses_a_workspace_that_is_not_its_own(tmp_path: Path) -> None:
    """It would register, promote and score somebody's real card otherwise."""
    init(tmp_path)
    with pytest.raises(UsageError, match=r"CF506.*another workspace"):
        demo(tmp_path, say=lambda _: None)


def test_init_refuses_to_overwrite_and_writes_nothing_then(tmp_path: Path) -> None:
    """One file in the way, and none of the others is written."""
    (tmp_path / "models" / "onboarding").mkdir(parents=True)
    (tmp_path / "models" / "onboarding" / "scorecard.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="CF506"):
        init(tmp_path)
    assert not (tmp_path / "churnfit.toml").exists()
