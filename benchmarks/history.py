"""Readings of many events on many dates: day tables beside pandas, polars, DuckDB, and the bare cost of reading.

Run in the repository: python benchmarks/history.py [--events 100_000_000 --dates 3]. Each contender takes the same 25
readings of 100,000 accounts in a process of its own; what is printed is CPU seconds of the whole process (user and
system, imports included) and peak memory, then ratios beside their targets. Answers are compared on sampled accounts.
A contender is stopped at 8 GB, or at four times the CPU seconds of day tables, and that is said: what it had used by
then is less than it costs. Then nights: 1, 2 and 4 days more of the same log; what each costs by its events, and what
it costs whatever they are. About a second of each process is starting up (imports, numba's first loop): of fewer than
100 million events that is the larger part of a date more, so the target there is for what lies behind it.
What is measured is kept until the next run; with --resume it is not measured again as long as the code that it came
from is the same, so that a long comparison may be made in pieces (--dates 1 --contenders pandas, then the next).
Logs are made once and kept in ~/.cache/churnfit-benchmarks/history (10 bytes an event); --clean removes them. Polars is
installed on first use, in an environment of its own beside them (benchmarks/history_polars.txt). Exit code 1 when a
target is missed.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from history_contenders import CONTENDERS, DAY_0, DAYS, KINDS, MICROSECONDS, ROOT, asked

CACHE = Path.home() / ".cache" / "churnfit-benchmarks" / "history"
POLARS = Path(__file__).with_name("history_polars.txt")
BLOCK = 1_000_000  # events per row group
SMOKE_EVENTS, SMOKE_ACCOUNTS = 20_000, 500
SAMPLE = 2_000  # accounts whose answers are compared
FULL_EVENTS = 100_000_000
OTHERS = ("pandas", "polars", "duckdb")
NIGHTS = (1, 2, 4)
MOST_GB = 8.0
PATIENCE = 4.0  # times the CPU seconds of day tables
NIGHT_AT_MOST = 3.0  # times what as many events cost in the first build: in proportion, give or take


# --- the log ------------------------------------------------------------------------------


def make_log(folder: Path, events: int, accounts: int) -> None:
    """Write ``events-1.parquet``, sorted by time, and in ``more-*.parquet`` the 1, 2 and 4 days after it."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    users = np.minimum(1 + random.geometric(1 / 19, accounts), 400)
    first = np.concatenate([[0], np.cumsum(users)])
    names = (random.permutation(accounts), random.permutation(int(first[-1])))
    activity = np.cumsum(users * random.gamma(2, 0.5, accounts))
    kinds = np.cumsum(1 / np.arange(1, len(KINDS) + 1) ** 0.8)
    world = (users, first, names, activity / activity[-1], kinds / kinds[-1])
    span = DAYS * MICROSECONDS
    if not (folder / "made").exists():
        print(f"making a log of {events:,} events in {folder}", flush=True)
        blocks = max(1, events // BLOCK)
        edges = [span * block // blocks for block in range(blocks + 1)]
        _write(folder / "events-1.parquet", random, world, list(pairwise(edges)), events // blocks)
        (folder / "made").touch()
    for nights in NIGHTS:
        path = folder / f"more-{nights}.parquet"
        if not path.exists():
            days = [(span + day * MICROSECONDS, span + (day + 1) * MICROSECONDS) for day in range(nights)]
            _write(path, np.random.default_rng(8), world, days, events // DAYS)


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


# --- one run: all of them, one after the other -----------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What one process cost; `inside` are the parts it timed itself, `ended` why it was not let finish."""

    seconds: float
    peak_gb: float
    inside: dict[str, float]
    ended: str = ""


class Kept:
    """What was measured with the code as it is, one line each in a file.

    A cost is known by what was measured (a contender's name, or a part's) and how many dates or nights.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        stored = [json.loads(line) for line in lines]
        self.costs = {(what, n): Cost(**cost) for what, n, code, cost in stored if code == _code_of(what)}

    def cost(self, what: str, number: int, measure: Callable[[], Cost]) -> Cost:
        """Return what is kept, or measure it and keep it; print it."""
        known = (what, number) in self.costs
        if not known:
            found = self.costs[what, number] = measure()
            with self._path.open("a") as file:
                file.write(json.dumps([what, number, _code_of(what), asdict(found)]) + "\n")
        said(f"{what}, {number}" + (" (kept)" if known else ""), self.costs[what, number])
        return self.costs[what, number]


@cache
def _code_of(what: str) -> str:
    """Return the hash of the code that a measurement depends on: for ours, all that keeps history."""
    paths = [Path(__file__).with_name("history_contenders.py")]
    if what not in ("limit", *OTHERS):
        paths += sorted((ROOT / "src" / "churnfit" / "history").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def measured(
    options: argparse.Namespace, contender: str, *, dates: int, tables: Path, out: Path, most_seconds: float = 0.0
) -> Cost:
    """Run one contender in a process of its own, which is ended beyond `MOST_GB` and, if given, `most_seconds`."""
    python = _polars_python() if contender == "polars" else sys.executable
    command = [python, __file__, "--run", contender, "--events", str(options.events), "--dates", str(dates)]
    command += ["--accounts", str(options.accounts), "--tables", str(tables), "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"POLARS_MAX_THREADS": "1"}
    if contender == "polars":
        environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peak_gb, ended = 0.0, ""
    while process.poll() is None:
        time.sleep(0.1)
        seconds, peak_gb = _so_far(process.pid, peak_gb)
        if peak_gb > MOST_GB:
            ended = f"stopped at {MOST_GB:g} GB"
        elif most_seconds and seconds > most_seconds:
            ended = f"stopped at {most_seconds:.0f} CPU seconds"
        if ended:
            process.kill()
            break
    printed, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = Cost(
        seconds=after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
        peak_gb=peak_gb,
        inside={},
        ended=ended,
    )
    if ended:
        return cost
    if process.returncode:
        raise SystemExit(f"{contender} ended with code {process.returncode}")
    return replace(cost, **json.loads(printed.splitlines()[-1]))


def _so_far(pid: int, peak_gb: float) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory of a process; what was known when it has just ended, or no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0, peak_gb
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    peaks = [int(line.split()[1]) / 1e6 for line in status.splitlines() if line.startswith("VmHWM")]
    return seconds, max([peak_gb, *peaks])


@cache
def _polars_python() -> Path:
    """Return the interpreter that has polars; its environment is made when missing."""
    home = CACHE / "polars"
    python = home / "bin" / "python"
    made = home / "made"
    if not made.exists() or made.read_text() != POLARS.read_text():
        print(f"installing polars in {home}", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", POLARS], check=True)
        made.write_text(POLARS.read_text())
    return python


def run_one(options: argparse.Namespace) -> None:
    """Be one contender, and print what it cost."""
    inside = CONTENDERS[options.run](
        CACHE / str(options.events),
        dates=options.dates[0],
        tables=options.tables,
        out=options.out,
        accounts=options.accounts,
        warm=CACHE / str(SMOKE_EVENTS),
    )
    status = Path("/proc/self/status")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if status.exists():  # the other one knows the parent's memory too
        peak = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    print(json.dumps({"peak_gb": peak / 1e6, "inside": inside or {}}))


def compared(folder: Path, others: list[str], dates: int) -> None:
    """Raise when a contender's answers differ from ours on sampled accounts."""
    import pandas as pd

    ours = pd.read_parquet(folder / f"ours-{dates}.parquet").set_index("account_id")
    chosen = ours.sample(min(SAMPLE, len(ours)), random_state=0).index
    for other in others:
        theirs = pd.read_parquet(folder / f"{other}-{dates}.parquet").set_index("account_id").reindex(chosen)
        for each in asked():
            fill = 0 if each.taken in ("events", "users", "days") else np.nan
            mine, his = (
                frame[each.name].astype("float64").fillna(fill).to_numpy() for frame in (ours.loc[chosen], theirs)
            )
            np.testing.assert_array_equal(mine, his, err_msg=f"{other}, {each.name}")
    print(f"answers of {', '.join(others)} equal ours on {len(chosen):,} accounts, {len(asked())} readings\n")


def said(name: str, cost: Cost) -> None:
    inside = cost.ended or ", ".join(f"{part} {value:.2f}" for part, value in cost.inside.items() if value)
    print(f"{name:44} {cost.seconds:8.1f} {cost.peak_gb:8.2f}   {inside}", flush=True)


def target(what: str, value: float, limit: float, unit: str = "") -> bool:
    print(f"{'pass' if value <= limit else 'FAIL':5} {what}: {value:.2f}{unit}, target <= {limit:g}{unit}")
    return value <= limit


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
    make_log(CACHE / str(SMOKE_EVENTS), SMOKE_EVENTS, SMOKE_ACCOUNTS)
    (log / "events-2.parquet").unlink(missing_ok=True)
    folder = CACHE / f"run-{options.events}"
    if not options.resume:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    try:
        met = _compete(options, folder, log)
    finally:
        (log / "events-2.parquet").unlink(missing_ok=True)
    raise SystemExit(0 if met or options.smoke else 1)


def _compete(options: argparse.Namespace, folder: Path, log: Path) -> bool:
    """Measure everybody in turn; return whether every target is met."""
    kept = Kept(folder / "costs.jsonl")
    if options.warm:  # the loops are compiled once per machine, which is no part of any run
        few = argparse.Namespace(events=SMOKE_EVENTS, accounts=SMOKE_ACCOUNTS)
        measured(few, "ours", dates=1, tables=folder / "warm", out=folder / "warm.parquet")
    print(f"{options.events:,} events, {options.accounts:,} accounts; CPU seconds and peak GB of the process")
    limit = partial(measured, options, "limit", dates=1, tables=folder, out=folder / "limit.parquet")
    for dates in options.dates:
        kept.cost("limit", dates, limit)
        tables, out = folder / f"tables-{dates}", folder / f"ours-{dates}.parquet"
        ours = partial(measured, options, "ours", dates=dates, tables=tables, out=out)
        patience = PATIENCE * kept.cost("ours", dates, partial(_anew, tables, ours)).seconds
        for name in options.contenders:
            theirs = partial(measured, options, name, dates=dates, tables=tables, most_seconds=patience)
            kept.cost(name, dates, partial(theirs, out=folder / f"{name}-{dates}.parquet"))
    most = max(options.dates)
    tables, out = folder / f"tables-{most}", folder / "other.parquet"
    for dates in (1, 12):
        stored = partial(measured, options, "ours", dates=dates, tables=tables, out=out)
        kept.cost(f"stored tables of {most}, dates", dates, stored)
    for nights in (0, *NIGHTS):
        kept.cost(f"stored tables of {most}, nights more", nights, partial(_night, options, tables, log, nights))
    finished = [name for name in options.contenders if not kept.costs[name, most].ended]
    if finished:
        compared(folder, finished, most)
    return _judge(options, kept.costs, most)


def _anew(tables: Path, build: Callable[[], Cost]) -> Cost:
    shutil.rmtree(tables, ignore_errors=True)
    return build()


def _night(options: argparse.Namespace, tables: Path, log: Path, nights: int) -> Cost:
    """Bring a copy of `tables` up to date with a log that has `nights` more."""
    copy = tables.parent / "nights"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tables, copy, copy_function=os.link)  # files of day tables are replaced, never written into
    if nights:
        (log / "events-2.parquet").hardlink_to(log / f"more-{nights}.parquet")
    try:
        return measured(options, "ours", dates=0, tables=copy, out=tables.parent / "other.parquet")
    finally:
        (log / "events-2.parquet").unlink(missing_ok=True)


def _judge(options: argparse.Namespace, costs: dict[tuple[str, int], Cost], most: int) -> bool:
    """Print every ratio beside its target; return whether all are met."""
    stored, nights = f"stored tables of {most}, dates", f"stored tables of {most}, nights more"
    first = costs["ours", most]
    # the same work each time, which nothing makes quicker than it is
    limit = min(costs["limit", dates].seconds for dates in options.dates)
    builds = [costs["ours", dates].inside for dates in options.dates]
    build = min(inside["loading"] + inside["brought"] for inside in builds)
    answers = []
    for dates in options.dates:
        for other in options.contenders:
            ratio = costs["ours", dates].seconds / costs[other, dates].seconds
            ended = costs[other, dates].ended
            answers.append(target(f"{dates} dates, ours / {other}" + (f" ({ended})" if ended else ""), ratio, 1.0))
    if options.events >= FULL_EVENTS:  # of fewer, starting up is too large a part
        answers.append(target("first build / the limit, the least of each", build / limit, 3.0))
    answers.append(target("peak memory of the first build", first.peak_gb, 1.5, " GB"))
    further = (costs[stored, 12].inside["taken"] - costs[stored, 1].inside["taken"]) / 11
    answers.append(target("each further date / first build", further / build, 0.05))
    new = costs[stored, 1]
    whole = new.seconds / first.seconds
    behind = [cost.inside["brought"] + cost.inside["taken"] for cost in (new, first)]
    if options.events >= FULL_EVENTS:
        answers.append(target("a new date on stored tables / first build, whole process", whole, 0.15))
    else:
        print(f"      a new date on stored tables / first build, whole process: {whole:.2f}")
    answers.append(
        target("a new date on stored tables / first build, without starting up", behind[0] / behind[1], 0.15)
    )
    fewest, _, most_nights = NIGHTS
    own = {count: costs[nights, count].inside["brought"] for count in NIGHTS}
    night = (own[most_nights] - own[fewest]) / (most_nights - fewest)
    answers.append(target("a night's events / as many of the first build", night / (build / DAYS), NIGHT_AT_MOST))
    answers.append(target("a night, whatever its events / first build", (own[fewest] - fewest * night) / build, 0.05))
    for count in NIGHTS:
        more = costs[nights, count].seconds - costs[nights, 0].seconds
        print(f"      {count} nights: {own[count]:.2f} s; whole process {more:.2f} s more than without a new event")
    return all(answers)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--dates", type=lambda text: [int(part) for part in text.split(",")], default=[1, 3, 12])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--contenders", type=lambda text: text.split(",") if text else [])
    parser.add_argument("--smoke", action="store_true", help="few events: that it runs, not how fast")
    parser.add_argument("--resume", action="store_true", help="measure only what the last runs have not")
    parser.add_argument("--clean", action="store_true", help="remove the logs that were made")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--tables", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.warm = not options.smoke
    if options.smoke:
        options.events, options.accounts, options.dates = SMOKE_EVENTS, SMOKE_ACCOUNTS, [3]
    if options.contenders is None:  # a smoke test installs nothing
        options.contenders = ["pandas", "duckdb"] if options.smoke else list(OTHERS)
    return options


if __name__ == "__main__":
    main()
