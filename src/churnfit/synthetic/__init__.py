"""A simulated B2B SaaS onboarding history whose truth is known.

`simulate` makes the tables a customer-success team would bring (accounts, events, interventions) from a scorecard
that was planted beforehand, so that a learned card can be held against it. It feeds the demo and the recovery tests;
nothing that is learned or scored reads it.
"""

from churnfit.synthetic.truth import TRUTH, Truth
from churnfit.synthetic.world import SIMULATED, World, simulate, write_world

__all__ = ["SIMULATED", "TRUTH", "Truth", "World", "simulate", "write_world"]
