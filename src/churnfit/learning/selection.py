"""Selection: the penalty that predicts best out of fold, by cross-validation of the whole procedure.

In every fold the measures are coded, fitted finely, reduced to curves and refitted on the training part only; the rows
of one account stay together. Where the rows come from dated cohorts, a fold is a block of neighbouring cohorts: what is
kept must carry over to another time, not only to other accounts of the same time. The out-of-fold logits of the chosen
penalty are kept: calibration is learned from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churnfit.learning.bounded import log_loss_sum, log_losses
from churnfit.learning.calibration import best_calibration, earned_slope, earned_slopes, matched_intercept
from churnfit.learning.codes import MeasureBins, learn_bins
from churnfit.learning.evidence import measures_with_evidence
from churnfit.learning.folds import HELD_BY_NONE, Cohort, Folds, folds
from churnfit.learning.joint import Curves, Design, Prices, refit, refits
from churnfit.learning.order import AHEAD, lead, order_prices
from churnfit.learning.pairs import Grown, grown
from churnfit.learning.penalties import CodedRows, GroupOrder, Settings, card_design, coded_rows, designs, last_design
from churnfit.learning.prior import leaning, leaving_is_safe, tells_the_healthy
from churnfit.scorecard.pairs import Pair

__all__ = ["Learned", "learn_curves"]

Floats: TypeAlias = NDArray[np.float64]
Choice: TypeAlias = tuple[float, float, float]
"""Penalty of the fine fit, share of it in the refit, and trust in the hand-made card."""

_PAIR_PRICE = 4.0  # log-likelihood units of unseen rows that a pair must gain: it is a table to read
_TRUSTS = (0.0, 1.0, 4.0, 16.0, 64.0)  # rows of the prior card per row of the cohort
_SHRINKAGES = (0.3, 1.0)  # the refit's price per increment, as a share of the fine fit's
_SHRINKAGES_OF_FEW = (0.1, *_SHRINKAGES)  # with few churners the price that finds shapes is too high for heights


@dataclass(frozen=True, eq=False, kw_only=True)
class Learned:
    """The best penalty's curves, each at the slope it earned, and what rows say that they were not learned from.

    Penalty, pairs and slopes are judged by unseen rows; which measures are on the card was decided on all of them.

    Parameters
    ----------
    factors : mapping of str to float
        What each curve was multiplied by.
    trust : float
        Rows of what the hand-made card says, for each row observed.
    remarks : tuple of str
        What a reader of the card should know about how it was learned.
    pairs : tuple of Pair
        The combined measures among the curves.
    logit : ndarray of shape (n_rows,)
        Out-of-fold churn logits, matched to the base rate.
    fold : ndarray of shape (n_rows,)
        The fold that held each row out.
    in_time : bool
        Whether folds are blocks of cohorts in time.
    rows : CodedRows
        What the curves were learned from, pairs and rows of the hand-made card included.
    path, prices : tuple of float, Prices
        What the fine fit and the refit were charged.
    order : GroupOrder, optional
        The group that must be the heaviest; a pair is in the group of its first member that has one.
    """

    curves: Curves
    factors: Mapping[str, float]
    trust: float
    remarks: tuple[str, ...]
    pairs: tuple[Pair, ...]
    logit: Floats
    fold: NDArray[np.int64]
    in_time: bool
    rows: CodedRows
    path: tuple[float, ...]
    prices: Prices
    order: GroupOrder | None = None

    @property
    def measures(self) -> tuple[MeasureBins, ...]:
        """The bins of the measure behind each curve."""
        by_name = {measure.name: measure for measure in self.rows.coded.measures}
        return tuple(by_name[plan.name] for plan in self.curves.plans)

    def again(self, design: Design, rows: CodedRows) -> Curves:
        """Return the curves of another `design`, refitted on its `rows` at the prices and slopes of these."""
        curves = refit(design, rows.churned, rows.weight, self.prices.of(design))
        return curves.shrunk({plan.name: self.factors.get(plan.name, 1.0) for plan in design.plans})


def learn_curves(cohort: Cohort, settings: Settings) -> Learned:
    """Return the curves of the penalty that predicts best out of fold."""
    binning = learn_bins(cohort.frame, cohort.weight)
    bins = binning.encode(cohort.frame)
    dealt = folds(cohort, settings.folds, settings.random_state)
    fold = dealt.of_row
    parts = {
        k: coded_rows(binning, bins, cohort, (fold != k) | (fold == HELD_BY_NONE)) for k in np.unique(fold).tolist()
    }
    held = _HeldOut(cohort=cohort, bins=bins, folds=dealt)
    tried = {k: _tried(part, _choices(cohort, settings), settings) for k, part in parts.items()}
    best = _best_choice(tried, held)
    terms = _Terms(
        path=tuple(sorted((step for step in settings.penalties if step >= best[0]), reverse=True)),
        prices=Prices(best[0] * best[1]),
        trust=best[2],
    )
    whole = leaning(coded_rows(binning, bins, cohort, np.ones(len(fold), dtype=bool)), terms.trust)
    design = last_design(whole, terms.path, settings)
    curves = refit(design, whole.churned, whole.weight, terms.prices.usual)
    telling = measures_with_evidence(whole, curves, cohort, terms.path, settings, penalty=terms.prices.usual)
    if cohort.few_churned:
        found = _card_of_few(whole, terms, settings)
        by_fold = {k: _card_of_few(leaning(part, terms.trust), terms, settings) for k, part in parts.items()}
    else:
        found = Grown.plain(whole, curves)
        by_fold = {k: fitted[best] for k, fitted in tried.items()}
    if settings.pairs:
        found, by_fold = _with_paying_pairs(found, by_fold, held, terms, settings)
    found = found.only(telling, terms.prices)
    by_fold = {k: one.only(telling, terms.prices) for k, one in by_fold.items()}
    learned = _at_earned_slopes(found, held, by_fold, terms)
    return learned if settings.order is None else _in_order(learned, found, held, by_fold, settings.order)


def _card_of_few(rows: CodedRows, terms: _Terms, settings: Settings) -> Grown:
    """Return the curves of a card on which few churned, learned from `rows`."""
    design = card_design(rows, terms.path, settings, few_churned=True)
    return Grown.plain(rows, refit(design, rows.churned, rows.weight, terms.prices.usual))


def _choices(cohort: Cohort, settings: Settings) -> list[Choice]:
    trusts = _TRUSTS if cohort.few_churned and tells_the_healthy(cohort) else (0.0,)
    shrinkages = _SHRINKAGES_OF_FEW if cohort.few_churned else _SHRINKAGES
    path = sorted(settings.penalties, reverse=True)
    return [(penalty, shrinkage, trust) for trust in trusts for penalty in path for shrinkage in shrinkages]


def _with_paying_pairs(
    found: Grown, by_fold: Mapping[int, Grown], held: _HeldOut, terms: _Terms, settings: Settings
) -> tuple[Grown, dict[int, Grown]]:
    """Return the card, and that of every fold, with as many pairs as unseen rows speak for."""
    grow = partial(grown, path=terms.path, prices=terms.prices, settings=settings, few_churned=held.cohort.few_churned)
    steps = {k: grow(one, most=settings.pairs) for k, one in by_fold.items()}
    most_found = max(len(run) for run in steps.values())
    paying = _paying_pairs([held.calibrated_loss(_with_pairs(steps, n)) for n in range(most_found)])
    return grow(found, most=paying)[-1], _with_pairs(steps, paying)


def _best_choice(tried: Mapping[int, Mapping[Choice, Grown]], held: _HeldOut) -> Choice:
    """Return the penalty, shrinkage and trust that predict unseen rows best.

    Of the hand-made card as much is left as is safe: the most trust wins from which to go on to the least loss is not.
    """
    losses = {
        choice: held.losses({k: fitted[choice] for k, fitted in tried.items()}) for choice in next(iter(tried.values()))
    }
    total = {choice: round(float(loss.sum()), 6) for choice, loss in losses.items()}

    def best_of(choices: list[Choice]) -> Choice:
        return min(choices, key=lambda choice: (total[choice], *(-setting for setting in choice)))

    least = best_of(list(losses))
    for trust in sorted({choice[2] for choice in losses if choice[2] > least[2]}, reverse=True):
        trusting = best_of([choice for choice in losses if choice[2] == trust])
        lost: Floats = np.bincount(held.cohort.account, weights=losses[trusting] - losses[least]).astype(np.float64)
        if not leaving_is_safe(lost, total[trusting]):
            return trusting
    return least


def _with_pairs(steps: Mapping[int, list[Grown]], n_pairs: int) -> dict[int, Grown]:
    return {k: run[min(n_pairs, len(run) - 1)] for k, run in steps.items()}


def _paying_pairs(loss: list[float]) -> int:
    """Return the number of pairs that unseen rows speak for; `loss` is theirs with no pair, one pair, and so on."""
    return int(np.argmin([value + _PAIR_PRICE * n for n, value in enumerate(loss)]))


def _in_order(
    learned: Learned, found: Grown, held: _HeldOut, by_fold: Mapping[int, Grown], order: GroupOrder
) -> Learned:
    """Return the curves under which the wanted group is the heaviest, and what that costs on unseen rows."""
    order = _with_groups_of_pairs(order, [found, *by_fold.values()])
    learned = replace(learned, order=order)
    if lead(order, learned.curves, {}) >= AHEAD:
        return replace(learned, remarks=(*learned.remarks, f"Group '{order.heaviest}' is the heaviest by itself."))
    prices = order_prices(found, order, learned.prices.usual, learned.factors)
    if prices is None:
        said = f"Group '{order.heaviest}' cannot be made the heaviest: its measures tell too little."
        return replace(learned, remarks=(*learned.remarks, said))
    terms = _Terms(path=learned.path, prices=prices, trust=learned.trust, slopes=learned.factors)
    ordered = _at_earned_slopes(found.at(prices), held, {k: one.at(prices) for k, one in by_fold.items()}, terms)
    cost = log_loss_sum(ordered.logit, held.cohort.churned, held.cohort.weight)
    cost -= log_loss_sum(learned.logit, held.cohort.churned, held.cohort.weight)
    said = (
        f"Group '{order.heaviest}' was made the heaviest; on rows not learned from this costs "
        f"{cost / held.cohort.weight.sum():.4f} of log-loss."
    )
    return replace(ordered, order=order, remarks=(*ordered.remarks, said))


def _with_groups_of_pairs(order: GroupOrder, cards: list[Grown]) -> GroupOrder:
    """Return the order with every pair in the group of its first member that has one, as on the card."""
    members = {pair.pair.name: pair.pair.members for card in cards for pair in card.pairs}
    of_pairs = {
        name: next(order.group_of[member] for member in both if member in order.group_of)
        for name, both in members.items()
        if any(member in order.group_of for member in both)
    }
    return replace(order, group_of={**order.group_of, **of_pairs})


def _at_earned_slopes(found: Grown, held: _HeldOut, by_fold: Mapping[int, Grown], terms: _Terms) -> Learned:
    """Return the curves, shrunk by what they earned on rows they had not seen.

    Where cohorts are dated, each measure by what carried over from one block of cohorts to another; accounts of the
    same time say no more than one factor for all. Pairs share a factor, since every fold finds its own. A card that
    leans earns its slopes as it earned its curves, on what the hand-made card says as well.
    """
    cohort, plans, rows = held.cohort, found.curves.plans, found.rows
    in_pairs = {pair.pair.name for pair in found.pairs}
    names = [plan.name for plan in plans if plan.name not in in_pairs]
    added = held.contributions(by_fold, names)
    if not held.folds.in_time:
        factors = np.repeat(earned_slope(added.sum(axis=1), rows.churned, rows.weight), len(names) + 1)
    elif terms.slopes is not None:  # each its own slope again would undo the order that the prices brought about
        of_pairs = next((terms.slopes[name] for name in sorted(in_pairs)), 1.0)
        factors = np.array([*(terms.slopes[name] for name in names), of_pairs])
        factors *= earned_slopes((added @ factors)[:, np.newaxis], rows.churned, rows.weight)
    else:
        factors = earned_slopes(added, rows.churned, rows.weight)
    by_name = {**dict.fromkeys(in_pairs, float(factors[-1])), **dict(zip(names, factors[:-1].tolist(), strict=True))}
    logit = added @ factors
    leans = f"Leans on the hand-made card: {terms.trust:g} rows of what it says for each row observed."
    return Learned(
        curves=found.curves.shrunk(by_name),
        factors=by_name,
        trust=terms.trust,
        remarks=(leans,) if terms.trust else (),
        pairs=tuple(pair.pair for pair in found.pairs),
        logit=logit + matched_intercept(logit, cohort.churned, cohort.weight),
        fold=held.fold,
        in_time=held.folds.in_time,
        rows=found.rows,
        path=terms.path,
        prices=terms.prices,
    )


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """What was chosen: the prices of the fine fit and of the refit, and the trust in the hand-made card.

    `slopes`: what each curve earned at the usual prices; absent, it is still to be found out.
    """

    path: tuple[float, ...]
    prices: Prices
    trust: float
    slopes: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class _HeldOut:
    """The rows that each fold holds out, as bins of `Binning.encode` (n_measures, n_rows)."""

    cohort: Cohort
    bins: NDArray[np.int32]
    folds: Folds

    @property
    def fold(self) -> NDArray[np.int64]:
        """The fold of each row (n_rows,)."""
        return self.folds.of_row

    def losses(self, by_fold: Mapping[int, Grown]) -> Floats:
        """Return the weighted log-loss of each row (n_rows,), under the curves of the fold that held it out."""
        return log_losses(self._logit(by_fold), self.cohort.churned, self.cohort.weight)

    def calibrated_loss(self, by_fold: Mapping[int, Grown]) -> float:
        """Return that log-loss once the logits are calibrated: what a bend explains needs no pair."""
        cohort, logit = self.cohort, self._logit(by_fold)
        return best_calibration(
            logit,
            cohort.churned,
            cohort.weight,
            fold=self.fold,
            account=cohort.account,
            few_churned=cohort.few_churned,
        ).loss

    def _logit(self, by_fold: Mapping[int, Grown]) -> Floats:
        logit = np.zeros(len(self.fold))
        for k, one in by_fold.items():
            added = one.contributions(self.bins[:, self.fold == k])
            logit[self.fold == k] = added.sum(axis=0) + one.curves.intercept
        return logit

    def contributions(self, by_fold: Mapping[int, Grown], names: list[str]) -> Floats:
        """Return what curves add to the logit of rows they have not seen: `names`, then all others (n_rows, n + 1)."""
        added = np.zeros((len(self.fold), len(names) + 1))
        for k, one in by_fold.items():
            rows = self.fold == k
            for plan, contributed in zip(one.curves.plans, one.contributions(self.bins[:, rows]), strict=True):
                added[rows, names.index(plan.name) if plan.name in names else -1] += contributed
        return added


def _tried(part: CodedRows, choices: list[Choice], settings: Settings) -> dict[Choice, Grown]:
    """Return the curves of every choice, learned from one fold's training part."""
    path = sorted({penalty for penalty, _, _ in choices}, reverse=True)
    shrinkages = sorted({shrinkage for _, shrinkage, _ in choices})
    found = {}
    for trust in sorted({trust for _, _, trust in choices}):
        rows = leaning(part, trust)
        for penalty, design in designs(rows, path, settings):
            prices = [penalty * shrinkage for shrinkage in shrinkages]
            for shrinkage, curves in zip(shrinkages, refits(design, rows.churned, rows.weight, prices), strict=True):
                found[penalty, shrinkage, trust] = Grown.plain(rows, curves)
    return found
