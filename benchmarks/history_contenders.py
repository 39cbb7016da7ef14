"""The contenders of `benchmarks/history.py`: each takes all readings as of each day, and writes the newest day's.

A contender gets the folder of a log, and by name what it needs: ``dates``, ``tables`` and ``out`` (paths), ``accounts``
(how many), ``warm`` (a small log). Polars has an environment of its own, with nothing else that is imported up here.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CONTENDERS", "DAYS", "DAY_0", "KINDS", "MICROSECONDS", "ROOT", "as_ofs", "asked"]

ROOT = Path(__file__).resolve().parents[1]
DAY_0 = 19_723  # 2024-01-01
DAYS = 120
KINDS = [f"kind_{number:02d}" for number in range(40)]
MICROSECONDS = 86_400_000_000


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


def run_ours(log: Path, *, dates: int, tables: Path, out: Path, accounts: int, warm: Path) -> dict[str, float]:
    """Bring the day tables in `tables` up to date, then take the readings; return what each part cost.

    `loading` is what numba costs before the first of its loops runs, once in each process.
    """
    sys.path.insert(0, str(ROOT / "src"))
    import duckdb
    import pandas as pd

    from churnfit.history.days.engine import DayTables
    from churnfit.history.days.texts import keys_of
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
    keys_of([])
    loading = time.process_time() - before
    if not dates:  # loading the loops is no part of what a night's events cost
        DayTables(folder=out.parent / "loops", spec=spec, root=warm).bring_up_to_date(con, readings)
    before = time.process_time()
    came, _ = days.bring_up_to_date(con, readings)
    brought = time.process_time() - before
    if not dates:
        return {"loading": loading, "brought": brought}
    con.execute("SET TimeZone='UTC'").fetchall()
    grid = pd.MultiIndex.from_product([[f"A{n:06d}" for n in range(accounts)], as_ofs(dates)]).to_frame(index=False)
    grid.columns = ["account_id", "as_of_day"]
    grid = grid.assign(as_of=pd.to_datetime(grid["as_of_day"], unit="D", utc=True), start_day=DAY_0)
    con.register("grid_given", grid)
    before = time.process_time()
    taken = con.sql(days(con, readings, "SELECT * FROM grid_given"))
    newest = as_ofs(1)[0] * 86_400
    taken.filter(f"epoch(as_of) = {newest}").order("account_id").to_parquet(str(out))
    return {"loading": loading, "brought": brought, "taken": time.process_time() - before, "came " + came: 0.0}


def run_pandas(log: Path, *, dates: int, out: Path, **_: Any) -> None:
    """Numbers for names, a row group at a time; then per as_of and window a slice of the sorted log, masks, groupby."""
    import pandas as pd

    frame, names, kinds = _pandas_log(log / "events-1.parquet")
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
            answers[each.name] = _pandas_reading(slices[window], each, [kinds[kind] for kind in each.kinds])
        if number == 0:
            found = pd.DataFrame(answers)
            found.insert(0, "account_id", names[found.index])
            found.sort_values("account_id").to_parquet(out, index=False)


def _pandas_log(path: Path) -> tuple[Any, Any, dict[str, int]]:
    """Return the log as numbers, 25 bytes an event; the accounts' names by number, and the kinds' numbers by name."""
    import pandas as pd
    import pyarrow.parquet as pq

    texts: dict[str, dict[str, int]] = {"account_id": {}, "kind": {}, "user_id": {}}
    with pq.ParquetFile(path, read_dictionary=list(texts)) as file:
        n = file.metadata.num_rows
        columns = {name: np.empty(n, "int8" if name == "kind" else "int32") for name in texts}
        columns |= {"at": np.empty(n, "int64"), "value": np.empty(n)}
        end = 0
        for group in range(file.num_row_groups):
            read = file.read_row_group(group, use_threads=False)
            begin, end = end, end + len(read)
            columns["at"][begin:end] = read["occurred_at"].cast("int64").to_numpy()
            columns["value"][begin:end] = read["value"].to_numpy()
            for name, known in texts.items():
                column = read[name].combine_chunks()
                codes = [known.setdefault(text, len(known)) for text in column.dictionary.to_pylist()]
                columns[name][begin:end] = np.array(codes)[column.indices.to_numpy()]
    frame = pd.DataFrame({"account": columns.pop("account_id"), "user": columns.pop("user_id")} | columns, copy=False)
    return frame, np.array(list(texts["account_id"]), dtype=object), texts["kind"]


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
    con.execute("SET memory_limit = '6GB'").fetchall()
    con.execute(f"SET temp_directory = '{out.parent}/duckdb'").fetchall()
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
    """Streaming, lazily: per account, kind and day, and per user and day; then each as_of from those."""
    import polars as pl

    kinds = sorted({kind for each in asked() for kind in each.kinds})
    user_kinds = sorted({kind for each in asked() if each.taken == "users" for kind in each.kinds})
    last_kinds = sorted({kind for each in asked() if each.taken == "last" for kind in each.kinds})
    events = pl.scan_parquet(log / "events-1.parquet").with_columns(day=pl.col("occurred_at").dt.epoch("d"))
    millionths = (pl.col("value") * 1e6 + 0.5).floor().cast(pl.Int64)
    key = ["account_id", "kind", "day"]
    days = (
        events.filter(pl.col("kind").is_in(kinds))
        .group_by(key)
        .agg(n=pl.len(), values=pl.col("value").count(), total=millionths.sum())
        .collect(engine="streaming")
    )
    valued = events.filter(pl.col("kind").is_in(last_kinds) & pl.col("value").is_not_null())
    newest = valued.group_by(key).agg(occurred_at=pl.col("occurred_at").max())
    lasts = valued.join(newest, on=[*key, "occurred_at"]).group_by([*key, "occurred_at"]).agg(pl.col("value").max())
    last_days = lasts.collect(engine="streaming")
    user_days = (
        events.filter(pl.col("kind").is_in(user_kinds))
        .group_by(["account_id", "user_id", "day"])
        .agg(first_kind=(pl.col("kind") == KINDS[0]).any())
        .collect(engine="streaming")
    )
    for number, as_of in enumerate(as_ofs(dates)):
        found = days.select("account_id").unique()
        for each in asked():
            within = (pl.col("day") >= as_of - each.days - each.skip) & (pl.col("day") < as_of - each.skip)
            of_kind = within & pl.col("kind").is_in(list(each.kinds))
            if each.taken == "users":
                rows = user_days.filter(within & pl.col("first_kind") if len(each.kinds) == 1 else within)
                reading = rows.select("account_id", "user_id").unique().group_by("account_id").len(each.name)
            elif each.taken == "last":
                reading = (
                    last_days.filter(of_kind)
                    .sort("occurred_at", "value")
                    .group_by("account_id")
                    .agg(pl.col("value").last().alias(each.name))
                )
            else:
                how = {
                    "events": pl.col("n").sum(),
                    "total": pl.col("total").sum(),
                    "days": pl.col("day").n_unique(),
                    "first_day": pl.col("day").min(),
                    "newest_day": pl.col("day").max(),
                }[each.taken]
                rows = days.filter(of_kind & (pl.col("values") > 0) if each.taken == "total" else of_kind)
                reading = rows.group_by("account_id").agg(how.alias(each.name))
            found = found.join(reading, on="account_id", how="left")
        if number == 0:
            found.sort("account_id").write_parquet(out)


CONTENDERS = {
    "limit": run_limit,
    "ours": run_ours,
    "pandas": run_pandas,
    "polars": run_polars,
    "duckdb": run_duckdb,
}
