"""Text from data in Markdown."""

from __future__ import annotations

__all__ = ["plain_markdown"]


def plain_markdown(text: str) -> str:
    """Return `text` as Markdown that shows it as it is, in one line.

    Names and categories come from data: they must not open a table cell, a link, an image or an HTML tag.
    """
    for mark in "\\`*_[]<>|#&":
        text = text.replace(mark, "\\" + mark)
    return text.replace("\r", " ").replace("\n", " ")
