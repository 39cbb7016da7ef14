"""Bad input, a sentence each: what is spoiled, which command is run, and with which code it must refuse.

Whatever is spoiled, no command may show a traceback, and no file and no database may hold one byte more or other than
before: `refused` compares them all.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tests.conftest import Ended
from tests.history.tiny_world import write
from tests.jobs import nightly
from tests.small_card import contents

from churnfit.errors import CODES

__all__ = ["SCORE", "Bad", "csv", "events_csv", "parquet", "put", "refused", "spec", "toml"]

SCORE = f"score --as-of {nightly.TONIGHT:%Y-%m-%d}"
Spoil = Callable[[Path], object]


EXIT_CODES = {
    **dict.fromkeys(("CF501", "CF502", "CF503", "CF505", "CF506", "CF507", "CF508", "CF602", "CF607"), 2),
    **dict.fromkeys(("CF702", "CF703", "CF709"), 2),
    "CF701": 3,
    **dict.fromkeys(("CF601", "CF603", "CF610", "CF704", "CF705", "CF706"), 4),
}
"""How a command ends by the code; 1 for every other."""


def _nothing(_: Path) -> None: ...


@dataclass(frozen=True)
class Bad:
    """One bad input: a sentence, the code and the words it must give, what spoils the workspace, and the command."""

    says: str
    code: str
    said: str = ""
    spoil: Spoil = _nothing
    command: str = SCORE
    exit_code: int | None = None


def refused(churnfit: Callable[..., Ended], root: Path, bad: Bad) -> None:
    """Spoil the workspace, run the command, and hold its end and every file against what is documented."""
    bad.spoil(root)
    before = contents(root)
    ended = churnfit(*shlex.split(bad.command), cwd=root)
    assert (f"error[{bad.code}]" in ended.err, bad.said in ended.err) == (True, True), ended
    assert (ended.code, ended.out) == (bad.exit_code or EXIT_CODES.get(bad.code, 1), ""), ended
    assert bad.code in CODES
    for part in ("  expected  ", "  came      ", "  do        ", "Nothing was written"):
        assert part in ended.err
    assert "Traceback" not in ended.err
    assert contents(root) == before


def put(name: str, content: bytes | str | None) -> Spoil:
    """Return what writes a file, or removes it."""

    def spoil(root: Path) -> None:
        path = root / name
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def parquet(table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    """Return what writes `accounts` or `events` changed."""
    whole = {"accounts": nightly.accounts, "events": nightly.events}[table]
    return lambda root: write(root, **{table: change(whole())})


def csv(content: bytes | str, *, timezone: str | None = "UTC") -> Spoil:
    """Return what reads accounts from a CSV of that content."""
    return _read_as_csv("accounts = ", "accounts", content, timezone)


def events_csv(content: bytes | str, *, timezone: str | None = "UTC") -> Spoil:
    """Return what reads events from a CSV of that content."""
    return _read_as_csv("events = [", "events", content, timezone)


def _read_as_csv(key: str, table: str, content: bytes | str, timezone: str | None) -> Spoil:
    zone = f', timezone = "{timezone}"' if timezone else ""

    def spoil(root: Path) -> None:
        put(f"{table}.csv", content)(root)
        spec(f'{key}{{ path = "{table}.parquet" }}', f'{key}{{ path = "{table}.csv"{zone} }}')(root)

    return spoil


def spec(old: str, new: str) -> Spoil:
    """Return what replaces a part of the card's spec."""

    def spoil(root: Path) -> None:
        text = (root / "small.toml").read_text(encoding="utf-8")
        assert old in text
        (root / "small.toml").write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def toml(before: str = "", after: str = "") -> Spoil:
    """Return what adds keys before and sections after the cards of churnfit.toml."""
    return put("churnfit.toml", f"{before}\n{nightly.CHURNFIT_TOML}{after}\n")
