"""The scorecard: a frozen value that turns measures into points, health, churn probability and band.

For measure j with value x_j, or a state that says why it is missing::

    health(x) = Σ_j points_j(x_j),   min points_j = 0,   weight_j = max points_j,   Σ_j weight_j = 100
    logit P(churn within the horizon | x) = calibration(intercept + offset_segment − slope · health),   slope > 0

where `calibration` is a strictly rising map, most often none.

A card is JSON (never pickle), content-hashed, and byte-identical for identical inputs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from churnfit.errors import DataError, IntegrityError
from churnfit.scorecard.bands import Band, BandCuts, cuts_document, cuts_from
from churnfit.scorecard.calibration import Calibration
from churnfit.scorecard.certificate import Certificate, certificate_from
from churnfit.scorecard.coverage import backed_share, state_texts
from churnfit.scorecard.pairs import Cells, Pair
from churnfit.scorecard.points import Categorical, Curve, Graded, Stepped, on_grid, text_values
from churnfit.spec import nearest
from churnfit.tables import STATE_SUFFIX

__all__ = [
    "SCHEMA_VERSION",
    "Band",
    "BandCuts",
    "CardMeasure",
    "Evidence",
    "Scorecard",
    "sigmoid",
]

Floats: TypeAlias = NDArray[np.float64]

SCHEMA_VERSION = 3
# written where used: cards from before these were keep their hash
_WHERE_USED = frozenset({"calibration", "pairs", "remarks", "definitions"})
_CURVES: dict[str, type[Graded] | type[Stepped] | type[Categorical]] = {
    "graded": Graded,
    "stepped": Stepped,
    "categorical": Categorical,
}


def sigmoid(logit: Floats) -> Floats:
    """Return 1 / (1 + exp(−logit)), elementwise, without overflow."""
    odds = np.exp(-np.abs(logit))
    probability: Floats = np.where(logit >= 0, 1.0, odds) / (1.0 + odds)
    return probability


@dataclass(frozen=True, kw_only=True)
class CardMeasure:
    """One line of the card.

    `missing` gives points for each state seen in training; `expected_points` is the mean over the reference cohort,
    from which reasons are measured and which stands in for values and states never seen. `whole` says that
    all values seen were whole numbers; `certificate` how sure the line is; `says` words of its own for its reason.
    """

    name: str
    label: str
    group: str = ""
    unit: str = ""
    shape: Literal["rising", "falling", "peak", "valley", "free", "categories"]
    curve: Curve
    missing: tuple[tuple[str, float], ...] = ()
    expected_points: float
    whole: bool = False
    actionable: bool = True
    certificate: Certificate | None = None
    says: str = ""

    @property
    def weight(self) -> float:
        """The most points the measure can add."""
        return max((*self.curve.levels, *(points for _, points in self.missing)))

    @property
    def unknown_points(self) -> float:
        """What a value or state that was never seen earns: as much as the average account."""
        return float(on_grid(np.array([self.expected_points]))[0])

    def state_points(self, state: str | None) -> float:
        """Return what a gap of this state earns."""
        points = dict(self.missing).get("missing" if state is None else state)
        return self.unknown_points if points is None else float(on_grid(np.array([points]))[0])

    def points(self, values: pd.Series, states: pd.Series | None = None) -> Floats:
        """Return the points of each row (n,); never NaN."""
        given: Any = text_values(values) if isinstance(self.curve, Categorical) else _as_numbers(values)
        points = self.curve.at(given)
        gone = pd.isna(given)
        unseen = np.isnan(points)
        points[unseen] = self.unknown_points
        if gone.any():
            state = state_texts(states, len(points))
            for name, _ in self.missing:
                points[gone & (state == name)] = self.state_points(name)
        return points


def _as_numbers(values: pd.Series) -> Floats:
    try:
        return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as fault:
        raise DataError(
            "CF212",
            where=f"measure '{values.name}'",
            expected="numbers",
            came=str(fault),
            fix="Map text to numbers in the source, or refit with it as a category.",
        ) from fault


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the card was learned from."""

    rows: int
    accounts: int
    churned_rows: int
    first_as_of: str = ""
    last_as_of: str = ""
    snapshot_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """Everything that was learned, as one frozen value.

    Parameters
    ----------
    measures : tuple of CardMeasure
        Heaviest first; weights sum to 100 (or there are none: no evidence).
    intercept, slope : float
        Of the churn logit; `slope` in logits per health point, > 0.
    segment_offsets : tuple of (str, float)
        Added to the intercept for accounts of that segment, ``""`` for accounts without one; other segments get 0.
    pairs : tuple of Pair
        Combined measures; each has a line of its name among `measures`.
    calibration : Calibration
        From the logit that the points say to the churn logit; by default they are the same.
    left_out : tuple of str
        Measures offered and found without evidence.
    remarks : tuple of str
        Sentences a reader should know about how the card was learned.
    definitions : tuple of (str, str)
        How each measure that is read was taken when the card was learned: its definition in the spec.
    """

    name: str
    horizon_days: int
    measures: tuple[CardMeasure, ...]
    intercept: float
    slope: float
    base_rate: float
    bands: BandCuts
    evidence: Evidence
    segment_offsets: tuple[tuple[str, float], ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    pairs: tuple[Pair, ...] = ()
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    schema_version: int = field(default=SCHEMA_VERSION)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each measure, heaviest first; the values sum to 100."""
        return {measure.name: measure.weight for measure in self.measures}

    @property
    def expected_health(self) -> float:
        """Mean health of the reference cohort: the base that reasons start from."""
        return float(sum(measure.expected_points for measure in self.measures))

    def measure(self, name: str) -> CardMeasure:
        """Return the line called `name`; KeyError when the card has none."""
        return {measure.name: measure for measure in self.measures}[name]

    def points(self, snapshot: pd.DataFrame) -> pd.DataFrame:
        """Return the points of each row and measure.

        Parameters
        ----------
        snapshot : DataFrame
            One column per measure, and where there is one, ``<measure>__state``; other columns are ignored.

        Returns
        -------
        DataFrame of shape (n_rows, n_measures)
            Same index; columns in the card's order.

        Raises
        ------
        DataError
            CF217 when a measure is missing from `snapshot`, CF212 when it holds text instead of numbers.
        """
        columns = {}
        self._require(snapshot)
        snapshot = self.with_pairs(snapshot)
        for measure in self.measures:
            states = snapshot.get(measure.name + STATE_SUFFIX)
            columns[measure.name] = measure.points(snapshot[measure.name], states)
        return pd.DataFrame(columns, index=snapshot.index)

    @property
    def read(self) -> tuple[str, ...]:
        """The measures the card reads: its lines, with the two members of a pair in place of the pair."""
        members = {pair.name: pair.members for pair in self.pairs}
        names = [name for measure in self.measures for name in members.get(measure.name, (measure.name,))]
        return tuple(dict.fromkeys(names))

    def redefined(self, definitions: Mapping[str, str]) -> list[str]:
        """Return the measures that `definitions` (of a spec, or of another card) takes otherwise than this card did.

        What only one of the two has is not compared.
        """
        return [name for name, learned in self.definitions if definitions.get(name, learned) != learned]

    def unread(self, columns: Iterable[str], definitions: Mapping[str, str]) -> list[str]:
        """Return the measures it cannot read from `columns` taken by `definitions`: absent, or taken otherwise."""
        return sorted({*self.read} - {*columns} | {*self.redefined(definitions)})

    def with_pairs(self, snapshot: pd.DataFrame) -> pd.DataFrame:
        """Return `snapshot` with one column more for each pair: its value in words."""
        absent = [pair for pair in self.pairs if pair.name not in snapshot]
        return snapshot.assign(**{pair.name: pair.of(snapshot) for pair in absent}) if absent else snapshot

    def _require(self, snapshot: pd.DataFrame) -> None:
        for name in self.read:
            if name not in snapshot:
                raise DataError(
                    "CF217",
                    where="snapshot",
                    expected=f"a column '{name}'",
                    came="none",
                    fix=f"Add it; {nearest(name, [str(c) for c in snapshot.columns])}.",
                )

    def health(self, snapshot: pd.DataFrame) -> Floats:
        """Return health, 0–100, higher is better (n_rows,)."""
        total: Floats = self.points(snapshot).to_numpy(dtype=np.float64).sum(axis=1)
        return total

    def churn_probability(self, snapshot: pd.DataFrame) -> Floats:
        """Return the calibrated probability of churn within the horizon (n_rows,)."""
        return self.probability_of(self.health(snapshot), snapshot.get("segment"))

    def probability_of(self, health: Floats, segments: pd.Series | None = None) -> Floats:
        """Return the churn probability that goes with `health` (n,) in `segments` (n,)."""
        return sigmoid(self.churn_logit(health, segments))

    def churn_logit(self, health: Floats, segments: pd.Series | None = None) -> Floats:
        """Return the churn logit that goes with `health` (n,) in `segments` (n,); absent, no segment adds anything."""
        offset: Floats | float = 0.0
        if segments is not None and self.segment_offsets:
            table = dict(self.segment_offsets)
            told = pd.Series(segments, dtype=object).fillna("")
            offset = np.array([table.get(segment, 0.0) for segment in told], dtype=np.float64)
        return self.logit_with(offset, health)

    def logit_with(self, offset: Floats | float, health: Floats) -> Floats:
        """Return the churn logit that goes with `health` (n,) where the segment adds `offset` (n,)."""
        return self.calibration.of(self.intercept + offset - self.slope * health)

    def health_at(self, probability: float) -> float:
        """Return the health whose churn probability, in a segment without offset, is `probability`: any real number."""
        logit = math.log(probability / (1 - probability))
        return (self.intercept - float(self.calibration.back(np.array([logit]))[0])) / self.slope

    def coverage(self, snapshot: pd.DataFrame) -> Floats:
        """Return the share of applicable weight that is backed by data, 0–1 (n_rows,).

        A state that is itself known ("never happened") counts as data; measures that cannot apply yet leave the
        denominator.
        """
        members = {pair.name: pair.members for pair in self.pairs}
        lines = [(measure.weight, members.get(measure.name, (measure.name,))) for measure in self.measures]
        return backed_share(lines, snapshot)

    def with_reference(self, snapshot: pd.DataFrame, weight: Floats | None = None) -> Scorecard:
        """Return the card with `snapshot` as the cohort that reasons are measured from; rows count by `weight`."""
        points = self.points(snapshot)
        means = {name: float(np.average(points[name], weights=weight)) for name in points}
        moved = [replace(measure, expected_points=means[measure.name]) for measure in self.measures]
        return replace(self, measures=tuple(moved))

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, two spaces, a final newline."""
        document = {
            name: value for name, value in asdict(self).items() if name not in _WHERE_USED or getattr(self, name)
        }
        document["bands"] = cuts_document(self.bands)
        for given, line in zip(self.measures, document["measures"], strict=True):
            line["curve"] = {"form": type(given.curve).__name__.lower(), **line["curve"]}
            for name in ("certificate", "says"):  # written where used: cards from before they were keep their hash
                if not line[name]:
                    del line[name]
        return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Scorecard:
        """Return the card written by `to_json`.

        Raises
        ------
        IntegrityError
            CF604 when the JSON was written by a newer churnfit, CF601 when it is not a scorecard.
        """
        try:
            return cls._from_document(json.loads(text, parse_constant=_refused_constant))
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as fault:
            raise IntegrityError(
                "CF601",
                where="scorecard JSON",
                expected="a scorecard",
                came=repr(fault)[:200],
                fix="Fetch the version again from the registry.",
            ) from fault

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Scorecard:
        if document["schema_version"] > SCHEMA_VERSION:
            raise IntegrityError(
                "CF604",
                where="scorecard JSON",
                expected=f"schema_version <= {SCHEMA_VERSION}",
                came=str(document["schema_version"]),
                fix="Upgrade churnfit.",
            )
        for name in ("horizon_days", "intercept", "slope", "base_rate"):
            if not isinstance(document[name], (int, float)):
                raise TypeError(f"{name} is no number")
        lines = []
        for line in document.pop("measures"):
            curve = line.pop("curve")
            form = _CURVES[curve.pop("form")]
            read = form(**{k: tuple(v) for k, v in curve.items()})
            missing, certificate = _named_points(line.pop("missing")), certificate_from(line.pop("certificate", None))
            lines.append(CardMeasure(curve=read, missing=missing, certificate=certificate, **line))
        return cls(
            measures=tuple(lines),
            bands=cuts_from(document.pop("bands")),
            evidence=Evidence(**document.pop("evidence")),
            segment_offsets=_named_points(document.pop("segment_offsets")),
            calibration=_calibration(document.pop("calibration", None)),
            pairs=tuple(Pair(**{k: _cells(v) for k, v in pair.items()}) for pair in document.pop("pairs", ())),
            left_out=tuple(document.pop("left_out")),
            remarks=tuple(document.pop("remarks", ())),
            definitions=tuple((str(name), str(text)) for name, text in document.pop("definitions", ())),
            **document,
        )

    @property
    def sha256(self) -> str:
        """The hash of the canonical JSON: the card's identity."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _refused_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _calibration(given: dict[str, Any] | None) -> Calibration:
    if given is None:  # a card written before there were calibrations
        return Calibration()
    return Calibration(
        method=given["method"],
        said=tuple(float(v) for v in given["said"]),
        observed=tuple(float(v) for v in given["observed"]),
    )


def _cells(given: dict[str, Any]) -> Cells:
    return Cells(
        measure=given["measure"],
        cuts=tuple(float(v) for v in given["cuts"]),
        groups=tuple(tuple(str(v) for v in group) for group in given["groups"]),
    )


def _named_points(given: list[list[Any]]) -> tuple[tuple[str, float], ...]:
    return tuple((str(pair[0]), float(pair[1])) for pair in given)
