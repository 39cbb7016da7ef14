"""Reasons in words: "Logins: 2; healthy from 4; peers' median 7; red, -10.0 health points"."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.thresholds import band_of_value
from churnfit.scorecard.words import healthy_words, value_words
from churnfit.spec.reason_text import filled
from churnfit.tables import STATE_SUFFIX

__all__ = ["Sentences", "reason_sentence"]


@dataclass(frozen=True)
class Sentences:
    """The reasons of one card, in words; what is alike for all accounts is worked out once."""

    card: Scorecard

    @cached_property
    def _healthy(self) -> dict[str, str]:
        return {measure.name: healthy_words(self.card, measure) for measure in self.card.measures}

    def say(self, name: str, value: object, state: str | None, *, points: float, peers: float | None = None) -> str:
        """Return one reason: value, what would be healthy, position among peers, colour and health points.

        In the line's own words where it has some; a gap, or an account without peers where they name peers, is said
        in the standard ones.

        Parameters
        ----------
        name : str
            A line of the card.
        value : object
            Its value; a gap is said by `state`.
        points : float
            What the value, or the state, earns.
        peers : float, optional
            Median of the measure among the account's peers.
        """
        measure = self.card.measure(name)
        tenths = np.rint(10.0 * (points - measure.expected_points))
        said = {
            "label": measure.label,
            "value": value_words(measure, value, state),
            "healthy": self._healthy[name],
            "colour": band_of_value(self.card, measure, points),
            "points": f"{tenths / 10.0:+.1f}",
        }
        if peers is not None and np.isfinite(peers):
            said["peers"] = value_words(measure, peers, None)
        known = not pd.isna(value)  # type: ignore[call-overload]
        return (filled(measure.says, said) if measure.says and known else None) or _standard(said)

    def of_row(self, name: str, row: pd.Series, *, points: float, peers: float | None = None) -> str:
        """Return the reason `name` of the account whose row of the snapshot is `row`."""
        state = row.get(name + STATE_SUFFIX)
        return self.say(name, row[name], None if pd.isna(state) else str(state), points=points, peers=peers)


def _standard(said: dict[str, str]) -> str:
    peers = f"; peers' median {said['peers']}" if "peers" in said else ""
    return (
        f"{said['label']}: {said['value']}; healthy {said['healthy']}{peers}; "
        f"{said['colour']}, {said['points']} health points"
    )


def reason_sentence(card: Scorecard, name: str, row: pd.Series, peers: float | None = None) -> str:
    """Return one reason of one account in words.

    Parameters
    ----------
    name : str
        A line of the card.
    row : Series
        The account's row of the snapshot.
    peers : float, optional
        Median of the measure among accounts of the same run.
    """
    state = row.get(name + STATE_SUFFIX)
    states = None if pd.isna(state) else pd.Series([state])
    points = float(card.measure(name).points(pd.Series([row[name]], name=name), states)[0])
    return Sentences(card).of_row(name, row, points=points, peers=peers)
