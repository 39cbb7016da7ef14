"""What the numbers are for: the card to beat, money, limits, playbooks, and how learning and judging are done."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from churnfit.spec.strict import Days, Share, Strict

__all__ = [
    "BandAction",
    "Bands",
    "BaselineMeasure",
    "Challenger",
    "Evaluation",
    "GateLimits",
    "Learning",
    "Playbook",
    "Queue",
]


class BaselineMeasure(Strict):
    """One line of the hand-made card: full weight from `green`, half from `amber`, none beyond it.

    ``green > amber`` says that more is better, ``green < amber`` that less is.
    """

    weight: Annotated[float, Field(gt=0)]
    green: float
    amber: float

    @model_validator(mode="after")
    def _thresholds_differ(self) -> Self:
        if self.green == self.amber:
            raise ValueError("green and amber must differ: their order says which direction is healthy")
        return self


class BandAction(Strict):
    """What is done in a band, what it costs per account, and the share of churners it saves.

    `target` is for a rule other than "profit": see `Bands`.
    """

    action: str
    cost: Annotated[float, Field(ge=0)]
    save_rate: Share
    target: Annotated[float, Field(gt=0, le=1)] | None = None


class Bands(Strict):
    """Where the bands begin, and the economics behind them.

    `margin` is the share of the yearly contract value that is earned; `default_value` stands in where an account
    has no contract value.

    `rule` places the cuts. ``profit``: where acting earns most. The others reach the `target` of each action, among the
    accounts of its band and worse: ``precision``, at least this share of them churns; ``recall``, at least this share
    of all churners is among them; ``quantile``, at most this share of all accounts is. `capacity` is the most accounts
    that can be red, as a share of all, whatever the rule says.
    """

    red: BandAction
    amber: BandAction
    margin: Share = 0.8
    default_value: Annotated[float, Field(gt=0)] = 10_000.0
    rule: Literal["profit", "precision", "recall", "quantile"] = "profit"
    capacity: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _targets_go_with_the_rule(self) -> Self:
        red, amber = self.red.target, self.amber.target
        if self.rule == "profit":
            if red is not None or amber is not None:
                raise ValueError('target: rule "profit" has none; set rule to "precision", "recall" or "quantile"')
        elif red is None or amber is None:
            raise ValueError(f'target: rule "{self.rule}" needs one for red and one for amber')
        elif (red < amber) if self.rule == "precision" else (red > amber):
            than = "at least" if self.rule == "precision" else "at most"
            raise ValueError(f"target: red's must be {than} amber's, which counts the red accounts too")
        return self


class GateLimits(Strict):
    """The limits of the promotion gates, which are `churnfit.evaluation.gates.GATES`.

    `replay_weeks` past weeks are replayed to see load and flips (0: none). `waived` turns a gate off, by its code, with
    the reason that the verdict then gives.
    """

    min_churned_train: Annotated[int, Field(ge=1)] = 30
    min_churned_judged: Annotated[int, Field(ge=1)] = 20
    min_auc_lower: Annotated[float, Field(ge=0.5, le=1)] = 0.55
    calibration_slope: tuple[float, float] = (0.8, 1.2)
    min_red_lift: Annotated[float, Field(ge=0)] = 3.0
    min_churners_below_green: Share = 0.667
    max_green_share: Share = 0.8
    min_coverage: Share = 0.7
    max_champion_loss: Annotated[float, Field(ge=0)] = 0.0
    min_matured_share: Share = 0.5
    min_segment_auc: Annotated[float, Field(ge=0.5, le=1)] = 0.6
    max_weak_weight: Share = 0.5
    max_queue_load: Annotated[float, Field(gt=0)] = 1.0
    max_flips: Share = 0.05
    replay_weeks: Annotated[int, Field(ge=0, le=52)] = 6
    waived: dict[str, Annotated[str, Field(min_length=10)]] = {}

    @model_validator(mode="after")
    def _the_slope_has_a_lowest_and_a_highest(self) -> Self:
        if self.calibration_slope[0] >= self.calibration_slope[1]:
            raise ValueError("calibration_slope must be [lowest, highest]")
        return self


class Playbook(Strict):
    """What a CSM does about a reason: a title, its steps, and the days until it is due."""

    title: str
    steps: Annotated[list[str], Field(min_length=1)]
    due_days: Days = 7


class OverrideRule(Strict):
    """Accounts of which `when` is true, a condition over measures and ``account.<column>``, are shown in `band`.

    `why` is what people read. What a person says of an account comes before every rule; of several rules that hold
    the worst band counts.
    """

    when: str
    band: Literal["red", "amber", "green"]
    why: Annotated[str, Field(min_length=1)]


class Queue(Strict):
    """How many calls to action one owner can work in a week, and which there are.

    What a person has closed, or the account has recovered from, opens no new one for `cooldown_days`. `drop_points`
    asks for one also where health fell by so much within `drop_days`, whatever the band (None: only red accounts have
    one). `holdout` is the share of accounts that are deliberately left uncalled, so that what calls do can be measured:
    a larger share tells it sooner and saves fewer.
    """

    capacity_per_owner: Annotated[int, Field(ge=1)] = 8
    cooldown_days: Annotated[int, Field(ge=0)] = 14
    drop_points: Annotated[float, Field(gt=0, le=100)] | None = None
    drop_days: Days = 7
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class Learning(Strict):
    """How the card is learned.

    More `max_knots`: finer points, harder to say aloud. `pairs` is the most combined measures ("tenure × contract")
    that may be kept. `heaviest_group` names a measure group that must weigh at least as much as any other; what that
    costs is printed. `certify` is the number of resamples behind the intervals of weights, points and thresholds (0:
    none).
    """

    max_knots: Annotated[int, Field(ge=2, le=9)] = 7
    pairs: Annotated[int, Field(ge=0, le=5)] = 0
    heaviest_group: str | None = None
    max_levels: Annotated[int, Field(ge=2, le=20)] = 8
    folds: Annotated[int, Field(ge=2, le=20)] = 4
    penalties: list[Annotated[float, Field(gt=0)]] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    certify: Annotated[int, Field(ge=0, le=2000)] = 200
    random_state: int = 7


class Challenger(Strict):
    """The LightGBM ceiling: how many Optuna trials (0: none). The study is kept and resumed."""

    trials: Annotated[int, Field(ge=0)] = 20
    folds: Annotated[int, Field(ge=2)] = 4


class Evaluation(Strict):
    """How the card is judged.

    ``out_of_time``: fit on older cohorts, judge on newer ones, every label of the former known at the latter.
    Stage starts before `train_before` train and from `judge_from` judge; without dates the newest `judge_share` of
    matured rows judges. ``held_out_accounts`` is for tables without dates and is reported as such.
    More than one of `origins` adds a rolling backtest: the judged cohorts are cut in as many windows, and each is
    judged by a card learned from all before it (each costs one learning). `bootstrap` resamples of whole accounts
    give the intervals.
    """

    method: Literal["out_of_time", "held_out_accounts"] = "out_of_time"
    train_before: date | None = None
    judge_from: date | None = None
    judge_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    origins: Annotated[int, Field(ge=1, le=24)] = 1
    bootstrap: Annotated[int, Field(ge=50)] = 400

    @model_validator(mode="after")
    def _origins_need_cohorts(self) -> Self:
        if self.origins > 1 and self.method != "out_of_time":
            raise ValueError('origins: more than 1 needs method "out_of_time"; held-out accounts have no order in time')
        return self

    @model_validator(mode="after")
    def _cohorts_train_before_they_judge(self) -> Self:
        dates = (self.train_before, self.judge_from)
        if self.method != "out_of_time" and dates != (None, None):
            raise ValueError(
                '`train_before` and `judge_from` go with method "out_of_time": held-out accounts have no date'
            )
        if self.train_before and self.judge_from and self.train_before > self.judge_from:
            raise ValueError("train_before must not lie after judge_from: the cohorts between would train and judge")
        return self
