"""Sections of sentences and tables, as aligned plain text, as Markdown, and as JSON-safe values."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from churnfit.evaluation.intervals import Interval
from churnfit.scorecard.markdown import plain_markdown

__all__ = ["Section", "as_markdown", "as_text", "json_safe", "number", "percent", "with_interval"]

_UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A title, sentences, a table (header and rows; the first column is text, the others numbers), names of figures.

    Figures are drawn where there is a place for them: as links in Markdown, inside an HTML page, not in text.
    """

    title: str
    sentences: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    figures: tuple[str, ...] = ()


def number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` decimals, or "unknown".

    Examples
    --------
    >>> number(0.12345), number(1234.5, 0), number(-0.0001), number(float("nan"))
    ('0.123', '1,234', '0.000', 'unknown')
    """
    if not math.isfinite(value):
        return _UNKNOWN
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def percent(value: float) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> percent(0.125)
    '12.5 %'
    """
    return f"{number(100 * value, 1)} %" if math.isfinite(value) else _UNKNOWN


def with_interval(interval: Interval, digits: int = 3) -> str:
    """Return an estimate with its 90 % interval.

    Examples
    --------
    >>> with_interval(Interval(0.7, 0.75, 0.8))
    '0.750 (0.700 to 0.800)'
    """
    if not math.isfinite(interval.estimate):
        return _UNKNOWN
    estimate = number(interval.estimate, digits)
    if not interval.known:
        return f"{estimate} (interval unknown)"
    return f"{estimate} ({number(interval.low, digits)} to {number(interval.high, digits)})"


def as_text(title: str, sections: Sequence[Section]) -> str:
    """Return the sections as plain text, columns aligned."""
    lines = [title, "=" * len(title)]
    for section in sections:
        lines += ["", section.title, "-" * len(section.title), *section.sentences]
        if section.rows:
            table = [section.header, *section.rows]
            widths = [max(len(row[column]) for row in table) for column in range(len(section.header))]
            for row in table:
                cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
                lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def as_markdown(title: str, sections: Sequence[Section], figures: Collection[str] = ()) -> str:
    """Return the sections as Markdown, with links to those of `figures` that they name; no text is read as markup."""
    lines = [f"# {plain_markdown(title)}"]
    for section in sections:
        lines += ["", f"## {plain_markdown(section.title)}", ""]
        lines += [f"{plain_markdown(sentence)}  " for sentence in section.sentences]
        if section.rows:
            lines += [""] if section.sentences else []
            lines += [_line(section.header), "|" + "---|" + "---:|" * (len(section.header) - 1)]
            lines += [_line(row) for row in section.rows]
        for name in section.figures:
            lines += ["", f"![{plain_markdown(section.title)}](figures/{name}.png)"] if name in figures else []
    return "\n".join(lines) + "\n"


def json_safe(value: Any) -> Any:
    """Return `value` as dicts, lists, text and finite numbers; NaN and infinities become None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_safe(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_safe(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(held) for held in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain_markdown(cell) for cell in cells) + " |"
