"""When there will be enough to learn from: the date that a refusal names."""

from __future__ import annotations

import math

import pandas as pd

from churnfit.errors import DataError
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.spec import Evaluation

__all__ = ["with_the_date"]


def with_the_date(
    refusal: DataError, learning: pd.DataFrame, maturing: pd.DataFrame, *, evaluation: Evaluation
) -> DataError:
    """Return the refusal CF103 with the date on which the maturing accounts are expected to end it.

    As it is where they are not too few but tell too little: nobody knows how many more would tell enough. As it is also
    where the spec fixes the dates from which cohorts judge: how many of the maturing accounts will train is not known.

    Parameters
    ----------
    learning : DataFrame
        The rows that were too few: account_id, churned.
    maturing : DataFrame
        Accounts whose label is not known yet: account_id, and matures_on of their first row.
    evaluation : Evaluation
        Of all accounts the share `judge_share` judges, the others train.
    """
    floor = ScorecardClassifier()
    lost, accounts = learning.loc[learning["churned"] == 1, "account_id"].nunique(), learning["account_id"].nunique()
    rate = max(lost, 1) / max(accounts, 1)  # nobody lost yet: as if one had been, else no date could be named
    lacking = max(floor.min_accounts - accounts, math.ceil((floor.min_churned - lost) / rate), 0)
    if not lacking or evaluation.train_before or evaluation.judge_from:
        return refusal
    needed = math.ceil(lacking / (1 - evaluation.judge_share))
    maturing = maturing[~maturing["account_id"].isin(learning["account_id"])]
    dates = maturing.drop_duplicates("account_id")["matures_on"].sort_values(ignore_index=True)
    if len(dates) >= needed:
        when = f"about {dates[needed - 1]:%Y-%m-%d} there should be enough: {needed} more accounts will have matured"
    else:
        when = f"{len(dates)} accounts are maturing, about {needed} are needed"
    return DataError(
        refusal.code,
        where=refusal.where,
        expected=refusal.expected,
        came=refusal.came,
        fix=f"{refusal.fix} At a churn rate of {100 * rate:.0f} %, {when}.",
    )
