"""churnfit: customer health scorecards learned from churn history.

What happens to an account between an event and a call, in order:

=================  =====================================================================
`history`          what was known, and when: sources, snapshots, cohorts, labels
`learning`         points and thresholds learned from labelled cohorts
`scorecard`        the learned value: points, health, churn probability, reasons
`evaluation`       whether to trust it: out-of-time report and gates
`registry`         versions and the champion, in MLflow
`scoring`          the champion applied to a snapshot
`cta`              what to do: calls to action and each owner's queue
`jobs`             the above, composed: one function per command
=================  =====================================================================

Importing does nothing heavy: `ScorecardClassifier` (the scikit-learn estimator) and `Scorecard` (what it learns) load
when they are first asked for; everything else is imported from its module.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnfit.learning.estimator import ScorecardClassifier
    from churnfit.scorecard.card import Scorecard

__version__ = "0.1.0"
__all__ = ["Scorecard", "ScorecardClassifier", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "ScorecardClassifier":
        from churnfit.learning.estimator import ScorecardClassifier

        return ScorecardClassifier
    if name == "Scorecard":
        from churnfit.scorecard.card import Scorecard

        return Scorecard
    raise AttributeError(f"module 'churnfit' has no attribute {name!r}")
