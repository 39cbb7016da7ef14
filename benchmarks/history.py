"""Readings of many events on many dates: day tables beside pandas, polars, DuckDB, and the bare cost of reading.

Run in the repository: python benchmarks/history.py [--events 100_000_000 --dates 3]. Each contender takes the same 25
readings of 100,000 accounts in a process of its own; what is printed is CPU seconds of the whole process (user and
system, imports included) and peak memory, then ratios beside their targets. Answers are compared on sampled accounts.
Logs are made once and kept in ~/.cache/churnfit-benchmarks/history (10 bytes an event); --clean removes them.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path.home() / ".cache" / "churnfit-benchmarks" / "history"
DAY_0 = 19_723  # 2024-01-01
DAYS = 120
KINDS = [f"kind_{number:02d}" for number in range(40)]
BLOCK = 1_000_000  # events per row group
SMOKE_EVENTS, SMOKE_ACCOUNTS = 20_000, 500
SAMPLE = 2_000  # accounts whose answers are compared
MICROSECONDS = 86_400_000_000
FULL_EVENTS = 100_000_000
OTHERS = ("pandas", "polars", "duckdb")
PANDAS_MOST = 20_000_000  # events: beyond it pandas needs more memory than most machines have


@dataclass(frozen=True)
class Asked:
    """One reading in the words of every contender: what, of which kinds, of the days [as_of - days - skip, - skip)."""

    name: str
    taken: str
    kinds: tuple[str, ...]
    days: int = 28
    skip: int = 0


def asked() -> list[Asked]:
    single = [KINDS[number] for number in (0, 1, 2, 3, 5, 6, 8, 12)]
    many = tuple(KINDS[:10])
    return [
        *(Asked(f"events {kind}", "events", (kind,)) for kind in single),
        *(Asked(f"before {kind}", "events", (kind,), 28, 28) for kind in single[:3]),
        *(Asked(f"total {KINDS[n]}", "total", (KINDS[n],)) for n in (0, 4, 8)),
        *(Asked(f"last {KINDS[n]}", "last", (KINDS[n],), 90) for n in (4, 12)),
        *(Asked(f"newest {KINDS[n]}", "newest_day", (KINDS[n],), DAYS) for n in (7, 10)),
        *(Asked(f"first {KINDS[n]}", "first_day", (KINDS[n],), DAYS) for n in (11, 13)),
        Asked("users month", "users", (KINDS[0],)),
        Asked("users week", "users", (KINDS[0],), 7),
        Asked("users many", "users", many),
        Asked("days", "days", many),
        Asked("events many", "events", many, 7),
    ]


def as_ofs(dates: int) -> list[int]:
    """Return the newest `dates` as_of days, a week apart."""
    return [DAY_0 + DAYS - 7 * number for number in range(dates)]


# --- the log ------------------------------------------------------------------------------


def make_log(folder: Path, events: int, accounts: int) -> None:
    """Write ``events-1.parquet``, sorted by time, and one more day as ``night.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "made").exists():
        return
    print(f"making a log of {events:,} events in {folder}", flush=True)
    random = np.random.default_rng(7)
    users = np.minimum(1 + random.geometric(1 / 19, accounts), 400)
    first = np.concatenate([[0], np.cumsum(users)])
    names = (random.permutation(accounts), random.permutation(int(first[-1])))
    activity = np.cumsum(users * random.gamma(2, 0.5, accounts))
    kinds = np.cumsum(1 / np.arange(1, len(KINDS) + 1) ** 0.8)
    world = (users, first, names, activity / activity[-1], kinds / kinds[-1])
    blocks = max(1, events // BLOCK)
    span = DAYS * MICROSECONDS
    edges = [span * block // blocks for block in range(blocks + 1)]
    _write(folder / "events-1.parquet", random, world, list(pairwise(edges)), events // blocks)
    _write(folder / "night.parquet", random, world, [(span, span + MICROSECONDS)], events // DAYS)
    (folder / "made").touch()


def _write(path: Path, random: np.random.Generator, world: Any, spans: list[tuple[int, int]], events: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    users, first, (account_names, user_names), activity, kinds = world
    account_ids = pa.array([f"A{name:06d}" for name in account_names])
    user_ids = pa.array([f"user-{name:07d}" for name in user_names])
    writer = None
    for begin, end in spans:
        at = DAY_0 * MICROSECONDS + np.sort(random.integers(begin, end, events)) // 1000 * 1000
        account = np.searchsorted(activity, random.random(events)).clip(0, len(users) - 1)
        user = first[account] + (users[account] * random.random(events) ** 1.7).astype(np.int64)
        kind = np.searchsorted(kinds, random.random(events)).clip(0, len(KINDS) - 1)
        value = pa.array(np.round(random.gamma(2, 8, events), 2), mask=kind % 4 != 0)
        block = pa.table(
            {
                "account_id": account_ids.take(pa.array(account)),
                "occurred_at": pa.array(at, pa.timestamp("us", tz="UTC")),
                "kind": pa.array(KINDS).take(pa.array(kind)),
                "user_id": user_ids.take(pa.array(user)),
                "value": value,
            }
        )
        writer = writer or pq.ParquetWriter(path, block.schema, compression="zstd")
        writer.write_table(block, row_group_size=BLOCK)
    writer.close()


# --- contenders: each takes all readings as of each day; the newest day's are kept ----------


def run_limit(log: Path, **_: Any) -> None:
    """Decode the five columns and sum them, as pyarrow does it cheapest: the lower bound of one scan."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    total = 0.0
    with pq.ParquetFile(log / "events-1.parquet", read_dictionary=["account_id", "kind"]) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(1 << 17, row_groups=[group], use_threads=False):
                total += sum(pc.sum(_as_number(column)).as_py() or 0 for column in batch.columns)
    print(f"sum {total:.6g}", file=sys.stderr)


def _as_number(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return column.indices
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return pc.binary_length(column) if pa.types.is_string(column.type) else column


def run_ours(log: Path, *, dates: int, tables: Path, out: Path, accounts: int) -> dict[str, float]:
    """Bring the day tables in `tables` up to date, then take the readings."""
    sys.path.insert(0, str(ROOT / "src"))
    import duckdb
    import pandas as pd

    from churnfit.history.days.engine import DayTables
    from churnfit.history.readings import Reading, Selection, Window
    from churnfit.spec import ScorecardSpec

    spec = ScorecardSpec.model_validate(
        {
            "name": "benchmark",
            "sources": {"accounts": {"path": "none"}, "events": [{"path": "events-*.parquet"}]},
            "cohort": {"landmark_days": [1], "horizon_days": 1},
            "groups": {"use": {"label": "Use", "playbook": "call"}},
            "measures": {"m": {"group": "use", "aggregate": "count", "kinds": ["none"]}},
            "bands": {band: {"action": "call", "cost": 1, "save_rate": 0.1} for band in ("red", "amber")},
            "playbooks": {"call": {"title": "Call", "steps": ["Call."]}},
        }
    )
    readings = {
        each.name: Reading(
            taken=each.taken, selection=Selection(kinds=each.kinds), window=Window(days=each.days, skip=each.skip)
        )
        for each in asked()
    }
    days = DayTables(folder=tables, spec=spec, root=log)
    con = duckdb.connect()
    before = time.process_time()
    came, _ = days.bring_up_to_date(con, readings)
    brought = time.process_time() - before
    if not dates:
        return {"brought": brought}
    con.execute("SET TimeZone='UTC'").fetchall()
    grid = pd.MultiIndex.from_product([[f"A{n:06d}" for n in range(accounts)], as_ofs(dates)]).to_frame(index=False)
    grid.columns = ["account_id", "as_of_day"]
    grid = grid.assign(as_of=pd.to_datetime(grid["as_of_day"], unit="D", utc=True), start_day=DAY_0)
    con.register("grid_given", grid)
    before = time.process_time()
    taken = con.sql(days(con, readings, "SELECT * FROM grid_given"))
    newest = as_ofs(1)[0] * 86_400
    taken.filter(f"epoch(as_of) = {newest}").order("account_id").to_parquet(str(out))
    return {"brought": brought, "taken": time.process_time() - before, "came " + came: 0.0}


def run_pandas(log: Path, *, dates: int, out: Path, **_: Any) -> None:
    """Categories once; then per as_of and window one slice of the sorted log, masks and groupby."""
    import pandas as pd
    import pyarrow.parquet as pq

    as_categories = ["account_id", "kind", "user_id"]
    events = pq.read_table(log / "events-1.parquet", read_dictionary=as_categories).unify_dictionaries().to_pandas()
    kinds = events["kind"].cat.categories
    frame = pd.DataFrame(
        {
            "account": events["account_id"].cat.codes,
            "kind": events["kind"].cat.codes.astype("int8"),
            "user": events["user_id"].cat.codes,
            "at": events["occurred_at"].dt.as_unit("us").astype("int64"),
            "value": events["value"],
        }
    )
    names = events["account_id"].cat.categories
    del events
    at = frame["at"].to_numpy()
    frame["day"] = (at // MICROSECONDS).astype("int32")
    for number, as_of in enumerate(as_ofs(dates)):
        answers = {}
        slices: dict[tuple[int, int], pd.DataFrame] = {}
        for each in asked():
            window = (as_of - each.days - each.skip, as_of - each.skip)
            if window not in slices:
                begin, end = np.searchsorted(at, np.array(window) * MICROSECONDS)
                slices[window] = frame.iloc[begin:end]
            answers[each.name] = _pandas_reading(slices[window], each, [kinds.get_loc(kind) for kind in each.kinds])
        if number == 0:
            found = pd.DataFrame(answers)
            found.insert(0, "account_id", names[found.index].astype(str))
            found.sort_values("account_id").to_parquet(out, index=False)


def _pandas_reading(window: Any, each: Asked, codes: list[int]) -> Any:
    kind = window["kind"].to_numpy()
    rows = window[kind == codes[0] if len(codes) == 1 else np.isin(kind, codes)]
    if each.taken == "total":
        rows = rows[["account", "value"]].dropna()
        return np.floor(rows["value"] * 1e6 + 0.5).astype("int64").groupby(rows["account"]).sum()
    if each.taken == "last":
        rows = rows.dropna(subset=["value"]).sort_values(["at", "value"])
        return rows.drop_duplicates("account", keep="last").set_index("account")["value"]
    if each.taken in ("users", "days"):
        column = {"users": "user", "days": "day"}[each.taken]
        return rows[["account", column]].drop_duplicates().groupby("account").size()
    how = {"events": "size", "newest_day": "max", "first_day": "min"}[each.taken]
    return rows.groupby("account")["day"].agg(how)


def run_duckdb(log: Path, *, dates: int, out: Path, **_: Any) -> None:
    """Hand-written SQL: per account, kind and day, and per user and day, then conditional sums for each as_of."""
    import duckdb

    con = duckdb.connect()
    con.execute("SET threads = 1").fetchall()
    con.execute("SET TimeZone = 'UTC'").fetchall()
    kinds = sorted({kind for each in asked() for kind in each.kinds})
    user_kinds = sorted({kind for each in asked() if each.taken == "users" for kind in each.kinds})
    con.execute(
        "CREATE TABLE account_days AS SELECT account_id, kind, CAST(occurred_at AS DATE) - DATE '1970-01-01' AS day, "
        "count(*) AS n, CAST(sum(CAST(floor(value * 1e6 + 0.5) AS BIGINT)) AS BIGINT) AS total, "
        "max(occurred_at) FILTER (WHERE value IS NOT NULL) AS last_at, "
        "arg_max(value, row(occurred_at, value)) FILTER (WHERE value IS NOT NULL) AS last_value "
        f"FROM '{log}/events-1.parquet' WHERE kind IN {tuple(kinds)} GROUP BY ALL"
    ).fetchall()
    con.execute(
        "CREATE TABLE user_days AS SELECT account_id, user_id, CAST(occurred_at AS DATE) - DATE '1970-01-01' AS day, "
        f"bool_or(kind = '{KINDS[0]}') AS first_kind "
        f"FROM '{log}/events-1.parquet' WHERE kind IN {tuple(user_kinds)} GROUP BY ALL"
    ).fetchall()
    for number, as_of in enumerate(as_ofs(dates)):
        columns, users = [], []
        for each in asked():
            when = f"day >= {as_of - each.days - each.skip} AND day < {as_of - each.skip}"
            if each.taken == "users":
                which = f"{when} AND first_kind" if len(each.kinds) == 1 else when
                users.append(f'count(*) FILTER (WHERE seen_{len(users)}) AS "{each.name}"')
                users[-1] = (users[-1], f"bool_or({which}) AS seen_{len(users) - 1}")
                continue
            aggregate = {
                "events": "sum(n)",
                "total": "sum(total)",
                "last": "arg_max(last_value, last_at)",
                "days": "count(DISTINCT day)",
                "first_day": "min(day)",
                "newest_day": "max(day)",
            }[each.taken]
            some = " AND last_at IS NOT NULL" if each.taken == "last" else ""
            chosen = " OR ".join(f"kind = '{kind}'" for kind in each.kinds)
            columns.append(f'{aggregate} FILTER (WHERE {when} AND ({chosen}){some}) AS "{each.name}"')
        con.execute(
            f"CREATE OR REPLACE TABLE taken AS SELECT * FROM "
            f"(SELECT account_id, {', '.join(columns)} FROM account_days WHERE day < {as_of} GROUP BY account_id) "
            f"LEFT JOIN (SELECT account_id, {', '.join(outer for outer, _ in users)} FROM "
            f"(SELECT account_id, user_id, {', '.join(inner for _, inner in users)} FROM user_days "
            f"WHERE day < {as_of} AND day >= {as_of - 28} GROUP BY account_id, user_id) GROUP BY account_id) "
            "USING (account_id)"
        ).fetchall()
        if number == 0:
            con.execute(f"COPY (FROM taken ORDER BY account_id) TO '{out}'").fetchall()


def run_polars(log: Path, *, dates: int, out: Path, **_: Any) -> None:
    """Streaming, lazily: per as_of one scan with filtered aggregates."""
    import polars as pl

    for number, as_of in enumerate(as_ofs(dates)):
        columns = []
        for each in asked():
            day = pl.col("day")
            chosen = (
                (day >= as_of - each.days - each.skip)
                & (day < as_of - each.skip)
                & pl.col("kind").is_in(list(each.kinds))
            )
            millionths = (pl.col("value") * 1e6 + 0.5).floor().cast(pl.Int64)
            valued = pl.col("value").filter(chosen & pl.col("value").is_not_null())
            moment = pl.col("occurred_at").filter(chosen & pl.col("value").is_not_null())
            columns.append(
                {
                    "events": chosen.sum(),
                    "total": millionths.filter(chosen).sum(),
                    "last": valued.sort_by(moment).last(),
                    "users": pl.col("user_id").filter(chosen).n_unique(),
                    "days": day.filter(chosen).n_unique(),
                    "first_day": day.filter(chosen).min(),
                    "newest_day": day.filter(chosen).max(),
                }[each.taken].alias(each.name)
            )
        frame = pl.scan_parquet(log / "events-1.parquet").with_columns(
            day=pl.col("occurred_at").dt.epoch("d").cast(pl.Int32)
        )
        found = frame.group_by("account_id").agg(columns).collect(engine="streaming")
        if number == 0:
            found.sort("account_id").write_parquet(out)


CONTENDERS = {
    "limit": run_limit,
    "ours": run_ours,
    "pandas": run_pandas,
    "polars": run_polars,
    "duckdb": run_duckdb,
}


# --- one run: all of them, one after the other -----------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What one process cost; `inside` are the parts it timed itself."""

    seconds: float
    peak_gb: float
    inside: dict[str, float]


def measured(options: argparse.Namespace, contender: str, *, dates: int, tables: Path, out: Path) -> Cost:
    command = [sys.executable, __file__, "--run", contender, "--events", str(options.events), "--dates", str(dates)]
    command += ["--accounts", str(options.accounts), "--tables", str(tables), "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(done.stdout.splitlines()[-1])
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(seconds=seconds, peak_gb=said["peak_gb"], inside=said["inside"])


def run_one(options: argparse.Namespace) -> None:
    """Be one contender, and print what it cost."""
    log = CACHE / str(options.events)
    inside = CONTENDERS[options.run](
        log, dates=options.dates[0], tables=options.tables, out=options.out, accounts=options.accounts
    )
    status = Path("/proc/self/status")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if status.exists():  # the other one knows the parent's memory too
        peak = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    print(json.dumps({"peak_gb": peak / 1e6, "inside": inside or {}}))


def compared(folder: Path, others: list[str]) -> None:
    """Raise when a contender's answers differ from ours on sampled accounts."""
    import pandas as pd

    ours = pd.read_parquet(folder / "ours.parquet").set_index("account_id")
    chosen = ours.sample(min(SAMPLE, len(ours)), random_state=0).index
    for other in others:
        theirs = pd.read_parquet(folder / f"{other}.parquet").set_index("account_id").reindex(chosen)
        for each in asked():
            fill = 0 if each.taken in ("events", "users", "days") else np.nan
            if other == "polars" and each.taken == "total":
                fill = 0  # its sum of nothing is 0
            mine, his = (
                frame[each.name].astype("float64").fillna(fill).to_numpy() for frame in (ours.loc[chosen], theirs)
            )
            np.testing.assert_array_equal(mine, his, err_msg=f"{other}, {each.name}")
    print(f"answers of {', '.join(others)} equal ours on {len(chosen):,} accounts, {len(asked())} readings\n")


def said(name: str, cost: Cost) -> None:
    inside = ", ".join(f"{part} {value:.1f}" for part, value in cost.inside.items() if value)
    print(f"{name:44} {cost.seconds:8.1f} {cost.peak_gb:8.2f}   {inside}", flush=True)


def target(what: str, value: float, limit: float, unit: str = "") -> None:
    print(f"{'pass' if value <= limit else 'FAIL':5} {what}: {value:.2f}{unit}, target <= {limit:g}{unit}")


def main() -> None:
    options = _options()
    if options.clean:
        shutil.rmtree(CACHE, ignore_errors=True)
        return
    if options.run:
        run_one(options)
        return
    log = CACHE / str(options.events)
    make_log(log, options.events, options.accounts)
    night = log / "events-2.parquet"
    night.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        try:
            _compete(options, folder, night)
        finally:
            night.unlink(missing_ok=True)


def _compete(options: argparse.Namespace, folder: Path, night: Path) -> None:
    out = {name: folder / f"{name}.parquet" for name in (*CONTENDERS, "warm", "other")}
    most = max(options.dates)
    if options.warm:  # the loops are compiled once per machine, which is no part of any run
        few = argparse.Namespace(events=SMOKE_EVENTS, accounts=SMOKE_ACCOUNTS)
        make_log(CACHE / str(few.events), few.events, few.accounts)
        measured(few, "ours", dates=1, tables=folder / "warm", out=out["warm"])
    print(f"{options.events:,} events, {options.accounts:,} accounts; CPU seconds and peak GB of the process")
    costs = {("limit", 0): measured(options, "limit", dates=1, tables=folder, out=out["limit"])}
    said("the limit: decode and sum five columns", costs["limit", 0])
    others = list(options.contenders)
    if "pandas" in others and options.events > PANDAS_MOST:
        print(f"pandas is not run beyond {PANDAS_MOST:,} events: it holds the whole log")
        others.remove("pandas")
    if "polars" in others and not _installed("polars"):
        print("polars is not installed: pip install polars to see it here")
        others.remove("polars")
    for dates in options.dates:
        for name in ["ours", *others]:
            tables = folder / f"tables-{dates}"
            costs[name, dates] = measured(options, name, dates=dates, tables=tables, out=out[name])
            said(f"{name}, {dates} dates" + (" (first build)" if name == "ours" else ""), costs[name, dates])
        if dates != most:
            shutil.rmtree(folder / f"tables-{dates}")
    tables = folder / f"tables-{most}"
    for dates in (1, 12):
        costs["stored", dates] = measured(options, "ours", dates=dates, tables=tables, out=out["other"])
        said(f"ours on stored tables, {dates} dates", costs["stored", dates])
    costs["kept", 0] = measured(options, "ours", dates=0, tables=tables, out=out["other"])
    said("ours, nothing new", costs["kept", 0])
    night.hardlink_to(night.with_name("night.parquet"))
    costs["night", 0] = measured(options, "ours", dates=0, tables=tables, out=out["other"])
    said(f"ours, one night more ({options.events // DAYS:,} events)", costs["night", 0])
    if others:
        compared(folder, others)
    _judge(options, costs, others, most)


def _judge(options: argparse.Namespace, costs: dict[tuple[str, int], Cost], others: list[str], most: int) -> None:
    seconds = {key: cost.seconds for key, cost in costs.items()}
    build = costs["ours", most].inside["brought"]
    for dates in options.dates:
        for other in others:
            target(f"{dates} dates, ours / {other}", seconds["ours", dates] / seconds[other, dates], 1.0)
    if options.events >= FULL_EVENTS:  # of fewer, starting up is too large a part
        target("first build / the limit", build / seconds["limit", 0], 3.0)
    target("peak memory of the first build", costs["ours", most].peak_gb, 1.5, " GB")
    further = (costs["stored", 12].inside["taken"] - costs["stored", 1].inside["taken"]) / 11
    target("each further date / first build", further / build, 0.05)
    target(
        "a new date on stored tables, whole process / first build", seconds["stored", 1] / seconds["ours", most], 0.15
    )
    share = (seconds["night", 0] - seconds["kept", 0]) / build
    target(f"one night / first build, for 1/{DAYS} of its events", share, 0.1)


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--dates", type=lambda text: [int(part) for part in text.split(",")], default=[1, 3, 12])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--contenders", type=lambda text: text.split(",") if text else [], default=list(OTHERS))
    parser.add_argument("--smoke", action="store_true", help="few events: that it runs, not how fast")
    parser.add_argument("--clean", action="store_true", help="remove the logs that were made")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--tables", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.warm = not options.smoke
    if options.smoke:
        options.events, options.accounts, options.dates = SMOKE_EVENTS, SMOKE_ACCOUNTS, [3]
    return options


if __name__ == "__main__":
    main()
