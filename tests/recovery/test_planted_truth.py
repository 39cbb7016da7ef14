"""Planted truth comes back: accounts simulated by a known card, measured, labelled and learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from tests.invariants import assert_scorecard

from churnfit.jobs.starting import init
from churnfit.jobs.training import training_set
from churnfit.jobs.workspace import find_workspace
from churnfit.learning.fitting import learn_card
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.thresholds import value_bands
from churnfit.synthetic import TRUTH, simulate, write_world

pytestmark = pytest.mark.recovery

AS_OF = pd.Timestamp("2026-06-30", tz="UTC")


@dataclass(frozen=True, kw_only=True)
class Learned:
    card: Scorecard
    rows: pd.DataFrame


@pytest.fixture(scope="module", params=[7, 11, 23])
def learned(request, tmp_path_factory) -> Learned:
    """A card learned from 5,000 accounts, none of them treated."""
    root = tmp_path_factory.mktemp("planted")
    write_world(simulate(5000, as_of=AS_OF, random_state=request.param, treated_share=0), root / "data")
    init(root)
    workspace = find_workspace(root)
    rows = training_set(workspace, "onboarding", as_of=AS_OF).rows
    return Learned(card=learn_card(rows, workspace.spec("onboarding")), rows=rows)
