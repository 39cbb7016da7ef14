"""What to learn: a `scorecard.toml`, read into frozen values.

The spec is data, not programme: sources, cohort, journey, perception, measures, groups, the hand-made baseline card,
what each band's action costs and saves, the limits of the gates, playbooks, queue capacity. Unknown keys are errors
that name the nearest valid key, and every name that refers to another (a measure's group, a playbook) is checked here,
once.
"""

from churnfit.spec.decisions import (
    BandAction,
    Bands,
    BaselineMeasure,
    Challenger,
    Evaluation,
    GateLimits,
    Learning,
    Playbook,
    Queue,
)
from churnfit.spec.journey import Journey, NextStage, Step
from churnfit.spec.perception import Perception
from churnfit.spec.reading import read_spec, read_toml, spec_error
from churnfit.spec.scorecard import SNAPSHOT_NAMES, ScorecardSpec
from churnfit.spec.sources import Cohort, Contraction, Group, History, Measure, Source, Sources
from churnfit.spec.strict import Strict, is_name, nearest

__all__ = [
    "SNAPSHOT_NAMES",
    "BandAction",
    "Bands",
    "BaselineMeasure",
    "Challenger",
    "Cohort",
    "Contraction",
    "Evaluation",
    "GateLimits",
    "Group",
    "History",
    "Journey",
    "Learning",
    "Measure",
    "NextStage",
    "Perception",
    "Playbook",
    "Queue",
    "ScorecardSpec",
    "Source",
    "Sources",
    "Step",
    "Strict",
    "is_name",
    "nearest",
    "read_spec",
    "read_toml",
    "spec_error",
]
