"""Sections as one HTML page: style and figures inside, no script, nothing from outside, for phones and paper too."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from churnfit.evaluation.prose import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["as_html"]

_UNUSED_IDS = re.compile(r' id="(?!m[0-9a-f]{6}|p[0-9a-f]{6}|h[0-9a-f]{6})[^"]*"')  # of groups that nothing refers to
_NAMESPACES = re.compile(r' (?:xmlns(?::xlink)?|version)="[^"]*"')  # HTML knows them; without them no address is left
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_LINE = 24  # characters; what is longer and no interval is a reason
_INTERVAL = re.compile(r" (\(.+ to .+\)|\(interval unknown\))$")


def as_html(title: str, sections: Sequence[Section], figures: Mapping[str, Figure]) -> str:
    """Return the sections as one HTML file, with those of `figures` that they name; no text is read as markup.

    The same sections and figures give the same bytes.
    """
    style = files("churnfit").joinpath("templates", "report.css").read_text(encoding="utf-8")
    contents = "".join(
        f'<li><a href="#s{place}">{escape(section.title)}</a></li>' for place, section in enumerate(sections)
    )
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{style}</style>",
        "</head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>',
        "<main>",
    ]
    for place, section in enumerate(sections):
        lines += _section(f"s{place}", section, figures)
    return "\n".join([*lines, "</main>", "</body>", "</html>"]) + "\n"


def _section(name: str, section: Section, figures: Mapping[str, Figure]) -> list[str]:
    lines = [f'<section aria-labelledby="{name}">', f'<h2 id="{name}">{escape(section.title)}</h2>']
    lines += [f"<p>{escape(sentence)}</p>" for sentence in section.sentences]
    if section.rows:
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in section.header)
        # a wide table scrolls in its own box; the box takes focus, so that a keyboard can scroll it
        lines += [f'<div class="table" role="region" tabindex="0" aria-labelledby="{name}">', "<table>"]
        lines += [f"<thead><tr>{head}</tr></thead>", "<tbody>"]
        lines += [
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in section.rows
        ]
        lines += ["</tbody>", "</table>", "</div>"]
    for figure in section.figures:
        if figure in figures:
            lines += ["<figure>", _svg(figure, figures[figure], section.title), "</figure>"]
    return [*lines, "</section>"]


def _cell(text: str) -> str:
    """Return a cell of one line, an interval set softer than its estimate; a reason may take several lines."""
    found = _INTERVAL.search(text)
    if found is None:
        return f'<td class="words">{escape(text)}</td>' if len(text) > _LINE else f"<td>{escape(text)}</td>"
    return f'<td>{escape(text[: found.start()])} <span class="of">{escape(found.group(1))}</span></td>'


def _svg(name: str, figure: Figure, title: str) -> str:
    """Return a figure as an inline SVG, with text as text, and ids that no other figure of the page has."""
    import matplotlib as mpl

    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    drawn = target.getvalue()
    drawn = _METADATA.sub("", drawn[drawn.index("<svg") :])
    head, rest = drawn.split(">", 1)
    head = _NAMESPACES.sub("", head)
    said = next((text.get_text() for text in figure.texts if text.get_text()), title)
    return f'{head} role="img" aria-label="{escape(said)}">{_UNUSED_IDS.sub("", rest)}'.strip()
