"""Survey and behaviour of the demo's accounts, and the calls to action where they disagree."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import pandas as pd
import pytest
from tests.conftest import CARD, Ended

from churnfit.errors import UsageError
from churnfit.jobs.perception import perception
from churnfit.jobs.scoring import score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace


def test_both_directions_are_found_in_the_newest_run(demo_workspace: Workspace) -> None:
    """Nobody is a mismatch but by answer and band, and the demo has some of each kind."""
    found = perception(demo_workspace, CARD)
    apart = found[found["mismatch"]]
    assert set(zip(apart["says"], apart["does"], strict=True)) == {("content", "red"), ("discontent", "green")}
    assert found.loc[found["answer"].isna(), "says"].eq("no answer").all()


def test_a_mismatch_with_a_playbook_calls_for_action_with_its_reason(workspace: Workspace) -> None:
    """The next night every mismatched account has a CTA that says answer and behaviour; without a playbook none has."""
    with closing(workspace.store()) as store:
        assert not any("perception_mismatch" in cta.triggers for cta in store.ctas(CARD))
    toml = workspace.root / "models" / CARD / "scorecard.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace('# playbook = "success_call"', 'playbook = "success_call"', 1), encoding="utf-8")
    score(workspace, CARD, as_of=DEMO_DAY + pd.Timedelta(days=1), say=lambda _: None)
    found = perception(workspace, CARD).set_index("account_id")
    with closing(workspace.store()) as store:
        called = {cta.account_id: cta for cta in store.ctas(CARD) if "perception_mismatch" in cta.triggers}
    assert set(called) == set(found.index[found["mismatch"]]) != set()
    name = next(one for one in called if found.loc[one, "says"] == "discontent")
    row = found.loc[name]
    assert called[name].reasons[-1] == (
        f"Last survey answer (0 to 10): says {row['answer']:.0f} (discontent up to 6), but what it does is green: "
        f"health {row['health_without_answer']:.0f} without the answer"
    )
    assert called[name].playbook == "success_call"


def test_the_command_counts_and_lists(demo_workspace: Workspace, churnfit: Callable[..., Ended]) -> None:
    """A table of answers by bands, the accounts that disagree, and all of them in JSON."""
    said = churnfit("perception", "--card", CARD, cwd=demo_workspace.root)
    assert said.code == 0
    assert "does red" in said.out
    assert "Says one thing and does another" in said.out
    rows = json.loads(churnfit("perception", "--card", CARD, "--json", cwd=demo_workspace.root).out)["perceptions"]
    assert len(rows) == len(perception(demo_workspace, CARD))


def test_a_card_without_a_survey_says_so(demo_workspace: Workspace) -> None:
    """The second card of the demo names none."""
    with pytest.raises(UsageError, match=r"CF703 card 'dear': expected the survey .* \[perception\]"):
        perception(demo_workspace, "dear")
