"""A measure's own words for its reason: a text with a fixed list of names in braces, filled in, never run."""

from __future__ import annotations

import re
from collections.abc import Mapping

from churnfit.spec.strict import nearest

__all__ = ["REASON_NAMES", "checked_text", "filled"]

REASON_NAMES = ("label", "value", "healthy", "peers", "colour", "points")
_NAME = re.compile(r"\{([^{}]*)\}")


def checked_text(text: str) -> str:
    """Return `text`; ValueError where it has another name than those of `REASON_NAMES`, or a brace without partner."""
    for name in _NAME.findall(text):
        if name not in REASON_NAMES:
            raise ValueError(f"unknown name '{{{name}}}'; {nearest(name, list(REASON_NAMES))}")
    if re.search(r"[{}]", _NAME.sub("", text)):
        raise ValueError("a brace without its partner: names stand as {value}")
    return text


def filled(text: str, said: Mapping[str, str]) -> str | None:
    """Return `text` with its names replaced, or None where it needs one that `said` does not have.

    Examples
    --------
    >>> filled("{label}: only {value}", {"label": "Logins", "value": "{2}"})
    'Logins: only {2}'
    >>> filled("Peers have {peers}", {"label": "Logins"}) is None
    True
    """
    if any(name not in said for name in _NAME.findall(text)):
        return None
    return _NAME.sub(lambda found: said[found[1]], text)
