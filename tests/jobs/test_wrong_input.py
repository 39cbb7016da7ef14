"""A fit on wrong data stops with a documented code in four parts, and leaves the workspace as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Ended
from tests.history.tiny_world import at, events_of
from tests.jobs.small_workspace import AS_OF, SPEC, accounts, events, make
from tests.small_card import contents

from churnfit.errors import CODES

Cli = Callable[..., Ended]


def spoiled_accounts(spoil: str) -> pd.DataFrame:
    """Return the accounts with one fault."""
    table = accounts()
    if spoil == "missing column":
        return table.drop(columns="started_at")
    if spoil == "naive timestamps":
        return table.assign(started_at=table["started_at"].dt.tz_localize(None))
    if spoil == "duplicate account":
        return pd.concat([table, table.iloc[[7]]], ignore_index=True)
    if spoil == "one class":
        return table.assign(churned_at=pd.Series(pd.NaT, index=table.index, dtype=table["churned_at"].dtype))
    values: dict[str, tuple[str, object]] = {
        "infinite number": ("arr", float("inf")),
        "negative number": ("seats", -4),
        "gap in the key": ("account_id", None),
        "gap in a date": ("started_at", pd.NaT),
    }
    if spoil in values:
        column, value = values[spoil]
        table.loc[3, column] = value
    if spoil == "text for numbers":
        return table.assign(arr="lots")
    if spoil == "no rows":
        return table.iloc[:0]
    if spoil == "too few":
        return table.iloc[:12]
    return table


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        ("missing column", "CF217", "a column 'started_at'"),
        ("naive timestamps", "CF308", "started_at"),
        ("duplicate account", "CF104", "1 (A07)"),
        ("one class", "CF102", ""),
        ("too few", "CF103", ""),
        ("no rows", "CF110", "at least one row"),
        ("infinite number", "CF202", "1 (A03)"),
        ("negative number", "CF207", "1 (A03)"),
        ("gap in the key", "CF201", "account_id"),
        ("gap in a date", "CF201", "1 (A03)"),
        ("text for numbers", "CF212", "arr"),
    ],
)
def test_wrong_accounts_stop_the_fit_and_leave_nothing(
    churnfit: Cli, tmp_path: Path, spoil: str, code: str, said: str
) -> None:
    """Exit code 1, the code, the place and a count, and not one file more or other than before."""
    root = make(tmp_path, accounts=spoiled_accounts(spoil), events=events())
    before = contents(root)
    ended = churnfit("fit", "--as-of", AS_OF, cwd=root)
    assert (ended.code, ended.out) == (1, "")
    assert f"error[{code}]" in ended.err
    assert said in ended.err
    for part in ("  expected  ", "  came      ", "  do        ", "Nothing was written", f"explain-code {code}"):
        assert part in ended.err
    assert "Traceback" not in ended.err
    assert code in CODES
    assert_nothing_registered(root, before)


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        ({"events": b""}, "CF401", "files with content"),
        ({"events": None}, "CF401", "a file"),
        ({"events": b"PAR1 but not really PAR1"}, "CF402", "events.parquet"),
        ({"rows": [("A01", 90_000, "login")]}, "CF313", "events"),
        ({"rows": [{"account_id": "A01", "day": 3, "kind": "login", "value": float("inf")}]}, "CF202", "events.value"),
    ],
)
def test_wrong_events_stop_the_fit_and_leave_nothing(
    churnfit: Cli, tmp_path: Path, spoil: dict[str, object], code: str, said: str
) -> None:
    """An empty, lost or broken file, a date in the future, an infinite number."""
    rows = spoil.get("rows", [])
    assert isinstance(rows, list)
    root = make(tmp_path, accounts=accounts(), events=pd.concat([events(), events_of(*rows)], ignore_index=True))
    path = root / "events.parquet"
    if "events" in spoil:
        path.unlink()
        if isinstance(spoil["events"], bytes):
            path.write_bytes(spoil["events"])
    before = contents(root)
    ended = churnfit("fit", "--as-of", AS_OF, cwd=root)
    assert ended.code == 1
    assert f"error[{code}]" in ended.err
    assert said in ended.err
    assert_nothing_registered(root, before)


@pytest.mark.parametrize(
    ("old", "new", "code", "exit_code", "said"),
    [
        ('column = "seats"', 'column = "saets"', "CF217", 1, "nearest valid name: 'seats'"),
        ('kinds = ["login"]', 'kinds = ["logn"]', "CF504", 1, "nearest valid name: 'login'"),
        ("horizon_days", "horizon_day", "CF503", 2, "nearest valid name: 'horizon_days'"),
        ('playbook = "call"', 'playbook = "cal"', "CF503", 2, "nearest valid name: 'call'"),
        ('use = { label = "Use", playbook = "call" }', 'use = { label = "Use" }', "CF504", 1, "a playbook"),
        ('group = "use"', 'actor = "internal"\ngroup = "use"', "CF109", 1, "actor = 'internal'"),
        ('name = "small"', 'name = "smal"', "CF503", 2, 'name = "small", as churnfit.toml says'),
        ("[bands]", "[bands", "CF502", 2, "line"),
        (
            "horizon_days = 20",
            "horizon_days = 400",
            "CF110",
            1,
            "0 matured of 60 rows; the first matures on 2025-02-14",
        ),
    ],
)
def test_a_wrong_spec_stops_the_fit_and_leaves_nothing(
    churnfit: Cli, tmp_path: Path, old: str, new: str, code: str, exit_code: int, said: str
) -> None:
    """Names that nothing answers to, with the nearest that something does; what nobody can act on; no TOML."""
    assert old in SPEC
    root = make(tmp_path, spec=SPEC.replace(old, new, 1), accounts=accounts(), events=events())
    before = contents(root)
    ended = churnfit("fit", "--as-of", AS_OF, cwd=root)
    assert ended.code == exit_code
    assert f"error[{code}]" in ended.err
    assert said in ended.err
    assert_nothing_registered(root, before)


def test_a_leak_stops_the_fit_and_is_listed_by_check(churnfit: Cli, tmp_path: Path) -> None:
    """Twenty goodbyes, each five days before a churn: `check` shows kind, measure and counts, `fit` refuses."""
    goodbyes = events_of(*((f"A{n:02}", n + 15, "goodbye") for n in range(0, 60, 3)))
    spec = SPEC.replace('kinds = ["login"]', 'kinds = ["goodbye"]')
    root = make(tmp_path, spec=spec, accounts=accounts(), events=pd.concat([events(), goodbyes], ignore_index=True))
    before = contents(root)
    ended = churnfit("check", "--as-of", AS_OF, "--json", cwd=root)
    [finding] = json.loads(ended.out)["findings"]
    assert (ended.code, finding["code"], finding["where"]) == (1, "CF116", "measures.logins")
    assert finding["came"].startswith("kind 'goodbye': 20 of its 20 events (100%) lie within 30 days around churn")
    ended = churnfit("fit", "--as-of", AS_OF, cwd=root)
    assert ended.code == 1
    assert "error[CF116]" in ended.err
    assert_nothing_registered(root, before)


def test_check_looks_at_the_tables_before_any_row_has_matured(churnfit: Cli, tmp_path: Path) -> None:
    """Without training rows nothing can be learned, but the sources can be clean."""
    spec = SPEC.replace("horizon_days = 20", "horizon_days = 400")
    ended = churnfit("check", "--as-of", AS_OF, cwd=make(tmp_path, spec=spec, accounts=accounts(), events=events()))
    assert (ended.code, ended.out) == (0, "small: the sources keep their contracts\n")


def assert_nothing_registered(root: Path, before: dict[str, bytes]) -> None:
    """Compare the whole tree: no run, no version, no score, no half file."""
    assert contents(root) == before


def test_the_same_workspace_unspoiled_has_no_findings(churnfit: Cli, tmp_path: Path) -> None:
    """What the other tests spoil is clean to begin with."""
    root = make(tmp_path, accounts=accounts(), events=events())
    ended = churnfit("check", "--as-of", AS_OF, cwd=root)
    assert (ended.code, ended.out, ended.err) == (0, "small: the sources keep their contracts\n", "")
    assert at(0).year == 2024
