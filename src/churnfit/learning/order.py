"""Order: a group of measures that must weigh at least as much as any other, and what that costs.

The weight of a group is the sum of its curves' ranges. The order is a constraint on them; its Lagrange multiplier is
a price that movement in the heavier groups pays and that movement in the wanted group earns, raised until the order
holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from churnfit.learning.joint import Curves, Prices
from churnfit.learning.pairs import Grown
from churnfit.learning.penalties import GroupOrder

__all__ = ["AHEAD", "lead", "order_prices"]

AHEAD = 0.02  # share of all weight by which the wanted group must lead: rounding to whole points must not undo it
_HIGHEST = 1e4  # log-likelihood units per logit: beyond it the order is not to be had
_STEPS = 12  # halvings of the price: to a few thousandths of the highest


def lead(order: GroupOrder, curves: Curves, factors: Mapping[str, float]) -> float:
    """Return by what share of all weight the wanted group leads the heaviest other one; below 0 it does not."""
    totals: dict[str, float] = {order.heaviest: 0.0}
    for index, plan in enumerate(curves.plans):
        group = order.group_of.get(plan.name)
        if group is not None:
            height = np.ptp(np.concatenate(curves.heights(index))) * factors.get(plan.name, 1.0)
            totals[group] = totals.get(group, 0.0) + float(height)
    others = [total for group, total in totals.items() if group != order.heaviest]
    return (totals[order.heaviest] - max(others, default=0.0)) / max(sum(totals.values()), 1e-12)


def order_prices(found: Grown, order: GroupOrder, penalty: float, factors: Mapping[str, float]) -> Prices | None:
    """Return the prices under which the order holds, `penalty` the usual one; None where none bring it about."""

    def prices(price: float) -> Prices:
        special = {
            name: penalty + (-price if group == order.heaviest else price) for name, group in order.group_of.items()
        }
        return Prices(penalty, special)

    def holds(price: float) -> bool:
        return lead(order, found.at(prices(price)).curves, factors) >= AHEAD

    low, high = 0.0, 1.0
    while not holds(high):
        low, high = high, 4 * high
        if high > _HIGHEST:
            return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return prices(high)
