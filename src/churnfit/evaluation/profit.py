"""What calling earns: the profit of every possible cut, and the expected maximum profit of every model.

A call costs the red action's cost and saves its save rate of the churners' yearly value times margin. The judged labels
say who churned without a call, so the profit of calling everybody below a cut can be counted up.

The *expected maximum profit* (EMP) compares models whatever the cut: of each model the best share to call, for every
save rate that may be true, averaged over save rates. These follow a Beta distribution with the spec's save rate as its
mean and as sure as 20 accounts would be (mean 0.3: Beta(6, 14), which Verbraken et al. propose).

References
----------
Verbraken, Verbeke and Baesens (2013), "A novel profit maximizing metric for measuring classification performance of
customer churn prediction models", IEEE TKDE 25(5): EMP = ∫ max over t of profit(t; γ) · h(γ) dγ, with h a Beta density.
Here every account has a value of its own, and there is one cost per account called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from churnfit.evaluation.intervals import Interval, Key, bootstrap
from churnfit.evaluation.ranking import Ladder, caught_of, ladder
from churnfit.spec import ScorecardSpec

__all__ = ["Money", "emp", "money_of"]

FloatArray = NDArray[np.float64]

_POINTS = 101  # cuts at whole health points, and shares in whole per cent
_SURE_AS = 20.0  # accounts: 6 + 14 of Verbraken et al.
_SAVE_RATES = 40  # quantiles that stand for the distribution: more change the fourth digit
_STEPS = 400  # shares to call that are tried


@dataclass(frozen=True, kw_only=True)
class Money:
    """What calling earns, in the currency of the values, per 1,000 scored accounts.

    Parameters
    ----------
    by_cut : tuple of Interval
        Profit of the red action for everybody below health 0, 1, … 100, by the labels.
    said_by_cut : tuple of float
        The same by the card's probabilities.
    caught : tuple of Interval
        Share of the churners among the riskiest 0, 1, … 100 % by the card.
    emp, called : mapping of str to Interval
        Expected maximum profit of each model, and the share of accounts that it would call.
    differences : mapping of str to Interval
        EMP, card minus other, on the same resamples.
    save_rates : tuple of (float, float)
        The two parameters of the Beta distribution of the save rate; (0, 0) where it saves nobody or everybody.
    """

    by_cut: tuple[Interval, ...]
    said_by_cut: tuple[float, ...]
    caught: tuple[Interval, ...]
    emp: Mapping[str, Interval]
    called: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    save_rates: tuple[float, float]


def emp(steps: Ladder, cost: float, save_rate: float) -> tuple[FloatArray, FloatArray]:
    """Return the expected maximum profit per account and the share called, each of shape (b,).

    Parameters
    ----------
    steps : Ladder
        Of what there is to save: ``churned`` is the cumulated value of churners times margin, not their number.
    cost : float
        Of one call, >= 0.
    save_rate : float
        Mean share of churners that a call saves, 0 to 1; at 0 and 1 there is no doubt about it.

    Examples
    --------
    >>> steps = ladder(np.array([1000.0, 0.0]), np.array([0.9, 0.1]), np.ones((1, 2)))
    >>> profit, called = emp(steps, 0.0, 1.0)  # a free call that saves everybody: 1,000 on two accounts
    >>> float(profit[0]), float(called[0])
    (500.0, 0.5)
    """
    places = np.unique(np.linspace(0, steps.all.shape[1] - 1, _STEPS).astype(np.intp))
    total = steps.all[:, -1:]
    saved, calls = (np.pad(part[:, places] / total, ((0, 0), (1, 0))) for part in (steps.churned, steps.all))
    profit, called = np.zeros(len(total)), np.zeros(len(total))
    rows = np.arange(len(total))
    rates = _save_rates(save_rate)
    for rate in rates:
        earned = rate * saved - cost * calls
        best = earned.argmax(axis=1)
        profit += earned[rows, best] / len(rates)
        called += calls[rows, best] / len(rates)
    return profit, called


def money_of(rows: pd.DataFrame, models: list[str], spec: ScorecardSpec) -> Money:
    """Return what calling earns on judged rows.

    Parameters
    ----------
    rows : DataFrame
        As for `churnfit.evaluation.report.evaluate`, with weight.
    models : list of str
        Whose probabilities ``p_<model>`` are compared; the card is the first.
    """
    call = spec.bands.red
    churned, weight, health, said = (
        rows[name].to_numpy(dtype=np.float64) for name in ("churned", "weight", "health", "p_card")
    )
    worth = rows["arr"].astype("float64").fillna(spec.bands.default_value).to_numpy(dtype=np.float64)
    worth = worth * spec.bands.margin
    place = np.clip(health, 0, _POINTS - 1).astype(np.intp)
    here = (place[:, np.newaxis] == np.arange(_POINTS)).astype(np.float64)
    gain = churned * worth * call.save_rate - call.cost
    probabilities = {model: rows[f"p_{model}"].to_numpy(dtype=np.float64) for model in models}

    def statistics(weights: FloatArray) -> dict[Key, FloatArray]:
        total = weights.sum(axis=1)
        by_cut = 1000 * _below((weights * gain) @ here) / total[:, np.newaxis]
        found: dict[Key, FloatArray] = {("cut", str(cut)): by_cut[:, cut] for cut in range(_POINTS)}
        steps = ladder(churned, said, weights)
        found |= {("caught", str(share)): caught_of(steps, share / 100) for share in range(_POINTS)}
        for model, probability in probabilities.items():
            profit, called = emp(ladder(churned * worth, probability, weights), call.cost, call.save_rate)
            found["emp", model], found["called", model] = 1000 * profit, called
            if model != models[0]:
                found["difference", model] = found["emp", models[0]] - found["emp", model]
        return found

    found = bootstrap(
        statistics,
        rows["account_id"],
        n=spec.evaluation.bootstrap,
        random_state=spec.learning.random_state,
        row_weight=weight,
    )
    expected = 1000 * _below((weight * (said * worth * call.save_rate - call.cost)) @ here) / weight.sum()
    return Money(
        by_cut=tuple(found["cut", str(cut)] for cut in range(_POINTS)),
        said_by_cut=tuple(float(profit) for profit in expected),
        caught=tuple(found["caught", str(share)] for share in range(_POINTS)),
        emp={model: found["emp", model] for model in models},
        called={model: found["called", model] for model in models},
        differences={model: found["difference", model] for model in models[1:]},
        save_rates=_parameters(call.save_rate),
    )


def _below(at_point: FloatArray) -> FloatArray:
    """Return the sum of what lies below each cut (…, 101)."""
    below: FloatArray = np.cumsum(at_point, axis=-1) - at_point
    return below


def _parameters(save_rate: float) -> tuple[float, float]:
    return (_SURE_AS * save_rate, _SURE_AS * (1 - save_rate)) if 0 < save_rate < 1 else (0.0, 0.0)


def _save_rates(save_rate: float) -> FloatArray:
    """Return equally likely save rates."""
    first, second = _parameters(save_rate)
    if not first:
        return np.array([save_rate])
    rates: FloatArray = beta.ppf((np.arange(_SAVE_RATES) + 0.5) / _SAVE_RATES, first, second)
    return rates
