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

Importing does nothing heavy; import what you need from its module, for example
``from churnfit.learning.estimator import ScorecardClassifier``.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
