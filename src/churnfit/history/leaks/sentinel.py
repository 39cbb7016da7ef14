"""Every leak that can be found in the opened sources, by all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from churnfit.history.leaks.circular import circular_kinds
from churnfit.history.leaks.closing import closing_kinds
from churnfit.history.leaks.edge import unfinished_columns
from churnfit.history.leaks.edits import back_dated_kinds, overwritten_columns
from churnfit.history.leaks.survivors import missing_churners
from churnfit.history.leaks.timing import measures_out_of_time
from churnfit.history.leaks.too_good import suspects
from churnfit.history.rules import Finding
from churnfit.spec import ScorecardSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["leaks"]


def leaks(
    con: duckdb.DuckDBPyConnection, spec: ScorecardSpec, training: pd.DataFrame, *, observed_to: pd.Timestamp
) -> list[Finding]:
    """Return every finding: errors first, then by code and place; nothing of measures with ``leak_checked``.

    An *error* stops `fit`. Each test needs at least ten churned accounts that show the pattern, so that small histories
    are not accused; a leak in fewer is not found.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From `churnfit.history.sources.open_sources`; its tables passed `churnfit.history.checks`.
    spec : ScorecardSpec
        Names the measures.
    training : pandas.DataFrame
        Matured rows: a snapshot with its ``churned`` (0 or 1); without rows only the tables themselves are looked at.
    observed_to : pandas.Timestamp
        Aware: the moment up to which the sources know everything; what came later is not looked at.
    """
    findings = overwritten_columns(con, spec, observed_to=observed_to)
    findings += missing_churners(con, spec, observed_to=observed_to)
    if spec.sources.measures is None:
        findings += circular_kinds(con, spec, observed_to=observed_to)
        findings += closing_kinds(con, spec, observed_to=observed_to)
        findings += back_dated_kinds(con, spec, observed_to=observed_to)
    else:
        findings += unfinished_columns(con, spec, observed_to=observed_to)
    if not training.empty:
        findings += suspects(training, spec) + measures_out_of_time(con, spec, training, observed_to=observed_to)
    return sorted(findings, key=lambda finding: (finding.severity, finding.code, finding.where))
