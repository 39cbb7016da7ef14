"""What commands print: tables or one JSON document on stdout, progress and errors on stderr.

Nothing from data is read as markup, and control characters are shown as their names, so an account name cannot paint
the terminal.
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from churnfit.cli.log import in_json, record
from churnfit.errors import ChurnfitError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "JSON_SCHEMA_VERSION",
    "print_document",
    "print_error",
    "print_lines",
    "print_table",
    "print_text",
    "progress",
    "shown",
]

JSON_SCHEMA_VERSION = 1


def shown(text: object) -> str:
    r"""Return `text` without control characters.

    Examples
    --------
    >>> shown("red \x1b[31m alert")
    'red ␛[31m alert'
    """
    return "".join(_visible(character) for character in str(text))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cf"):
        return character
    return chr(0x2400 + ord(character)) if ord(character) < 0x20 else "�"


def print_document(**content: Any) -> None:
    """Print one JSON document on stdout."""
    document = _finite({"schema_version": JSON_SCHEMA_VERSION, **content})
    print(json.dumps(document, indent=2, ensure_ascii=False, default=_plain, allow_nan=False))  # noqa: T201


def print_lines(*lines: str) -> None:
    """Print plain lines on stdout, control characters shown; a line feed ends a line."""
    for line in lines:
        print("\n".join(shown(part) for part in line.split("\n")))  # noqa: T201


def print_text(text: str) -> None:
    """Print a text that ends with a line feed on stdout, as it is."""
    print(text, end="")  # noqa: T201


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table on stdout."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(shown(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    wide = None if sys.stdout.isatty() else 200  # a pipe has no width: do not fold needlessly
    Console(width=wide, highlight=False, soft_wrap=False).print(table)


def print_error(fault: ChurnfitError, *, as_json: bool) -> None:
    """Print a fault's four parts: on stderr in lines, or as the JSON document."""
    if as_json:
        print_document(error=fault.as_dict(), also=[each.as_dict() for each in fault.also])
        return
    more = [f"  And {len(fault.also)} more; `churnfit check` lists all."] if fault.also else []
    lines = [
        f"error[{fault.code}] {shown(fault.where)}",
        f"  expected  {shown(fault.expected)}",
        f"  came      {shown(fault.came)}",
        f"  do        {shown(fault.fix)}",
        *more,
        f"  Nothing was written. More: churnfit explain-code {fault.code}",
    ]
    print("\n".join(lines), file=sys.stderr)  # noqa: T201


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that is told each step as it begins: a bar on a terminal, a line each elsewhere, or JSON."""
    if in_json():
        yield record
        return
    if not sys.stderr.isatty():
        yield lambda step: print(step, file=sys.stderr)  # noqa: T201
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=steps)

        def say(step: str) -> None:
            bar.update(task, description=step, advance=1)

        yield say


def _finite(value: object) -> object:
    """Return `value` with null for every gap: JSON has neither NaN nor infinity."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: object) -> object:
    import pandas as pd

    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    item = getattr(value, "item", None)  # numpy scalars
    if callable(item):
        plain = item()
        return None if isinstance(plain, float) and not math.isfinite(plain) else plain
    return str(value)
