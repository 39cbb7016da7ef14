"""Scoring a Parquet snapshot into a Parquet table: points, health, probability, band, three reasons in words.

Run in the repository: python benchmarks/scoring.py [--rows 10_000_000]. The same 20 measures (16 numbers, 4 categories,
gaps with their states) are scored, each contender in a process of its own: churnfit; the limit, which decodes the same
columns and writes the same result without reckoning it; and the bare calls, without files or reasons, of optbinning's
Scorecard.score, of a scikit-learn pipeline of dummies and a logistic regression, numbers in bins or merely scaled, and
of LightGBM. What is printed is CPU seconds (user and system; of churnfit and the limit of the whole process, imports
included) and peak memory, then ratios beside their targets and, where a ratio of calls alone is asked, that of the
limit, which nothing that reads and writes files can pass. Last, the reasons of a LightGBM challenger beside LightGBM's
own. Scores are compared with `Scorecard`'s own on sampled rows. The table is made once and kept in
~/.cache/churnfit-benchmarks/scoring; --clean removes it. optbinning gets an environment of its own there.
"""

import argparse
import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path.home() / ".cache" / "churnfit-benchmarks"
REQUIREMENTS = ROOT / "benchmarks" / "learners" / "peers" / "requirements-optbinning.txt"
SMOKE_ROWS = 20_000
TAUGHT = 20_000  # rows that the peers are fitted on
CALLED = 1_000_000  # rows of a peer's call
EXPLAINED = 500  # rows of the challenger's reasons
SAME_CALL = 0.95  # as fast: it is pred_contrib, and two runs of the same code differ by that much
SAMPLE = 50_000  # rows whose scores are compared
GROUP = 1_000_000  # rows per row group: what pyarrow and pandas write
CATEGORIES = [f"value {number}" for number in range(6)]
SEGMENTS = ["small", "middle", "large", "public"]
OTHERS = ("optbinning", "scikit-learn", "scikit-learn scaled", "lightgbm")


# --- the card and the table -----------------------------------------------------------------


def card() -> Any:
    """Return a card of 16 numbers, most of them graded, and 4 categories."""
    from churnfit.scorecard.card import BandCuts, CardMeasure, Evidence, Scorecard
    from churnfit.scorecard.points import Categorical, Graded, Stepped

    def line(number: int) -> CardMeasure:
        name = f"m{number:02d}"
        about = {
            "name": name,
            "label": f"Measure number {number}",
            "expected_points": 3.0,
            "missing": (("never", 0.0),),
        }
        if number >= 16:
            curve = Categorical(tuple(CATEGORIES), (0.0, 1.0, 2.0, 3.0, 4.0, 5.0))
            return CardMeasure(**about, shape="categories", curve=curve)
        if number % 4 == 3:
            return CardMeasure(**about, shape="peak", curve=Stepped((1.0, 3.0, 8.0), (0.0, 5.0, 4.0, 2.0)), whole=True)
        top = 1.0 if number % 4 == 1 else 60.0
        knots = tuple(top * share for share in (0.0, 0.1, 0.3, 0.6, 1.0))
        unit = "share" if number % 4 == 1 else "days" if number % 4 == 2 else ""
        return CardMeasure(**about, shape="rising", curve=Graded(knots, (0.0, 2.0, 3.0, 4.0, 5.0)), unit=unit)

    return Scorecard(
        name="benchmark",
        horizon_days=90,
        measures=tuple(line(number) for number in range(20)),
        intercept=2.0,
        slope=0.07,
        base_rate=0.1,
        bands=BandCuts(red_below=50.0, green_from=65.0),
        evidence=Evidence(rows=1, accounts=1, churned_rows=0),
        segment_offsets=(("small", 0.3), ("large", -0.2)),
    )


def table(rows: int, seed: int) -> Any:
    """Return `rows` accounts as an Arrow table: counts, shares, durations and amounts, a tenth of them with gaps."""
    import pyarrow as pa

    random = np.random.default_rng(seed)
    columns = {
        "account_id": pa.array([f"A{seed:03d}{number:07d}" for number in range(rows)]),
        "as_of": pa.array(np.full(rows, 20_600 * 86_400_000_000), pa.timestamp("us", tz="UTC")),
        "segment": _texts(random, SEGMENTS, rows),
    }
    for number in range(20):
        name = f"m{number:02d}"
        gone = random.random(rows) < (0.1 if number % 2 else 0.0)
        if number >= 16:
            columns[name] = _texts(random, CATEGORIES, rows)
            gone[:] = False
        else:
            seats = random.integers(1, 60, rows)
            values = [
                random.poisson(12, rows),
                random.binomial(seats, 0.4) / seats,
                random.gamma(2.0, 9.0, rows),
                random.poisson(3, rows),
            ][number % 4]
            columns[name] = pa.array(values.astype(float), mask=gone)
        columns[f"{name}__state"] = pa.array(
            np.where(gone, np.where(random.random(rows) < 0.5, "never", "stale"), None)
        )
    return pa.table(columns)


def _texts(random: np.random.Generator, values: list[str], rows: int) -> Any:
    import pyarrow as pa

    return pa.array(values).take(pa.array(random.integers(0, len(values), rows)))


def make_snapshot(path: Path, rows: int) -> None:
    import pyarrow.parquet as pq

    if path.exists():
        return
    print(f"making a snapshot of {rows:,} accounts in {path.parent}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    writer = None
    for seed, begin in enumerate(range(0, rows, GROUP)):
        block = table(min(GROUP, rows - begin), seed)
        writer = writer or pq.ParquetWriter(beside, block.schema)
        writer.write_table(block, row_group_size=GROUP)
    writer.close()
    beside.rename(path)


# --- contenders: each returns the rows it scored and what its own part cost, where not the whole process --------


def run_ours(source: Path, *, folder: Path) -> dict[str, float]:
    from churnfit.scoring.score_file import score_file

    return {"rows": score_file(card(), source, target=folder / "ours.parquet", replace=True).rows}


def run_limit(source: Path, *, folder: Path) -> dict[str, float]:
    """Decode the columns that are read and write, block by block, the first block of what churnfit wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from churnfit.scoring.score_file import BLOCK, batches, layout, opened

    text = [name for name in pq.read_schema(source).names if name.endswith("__state") or name == "segment"]
    text += [f"m{number:02d}" for number in range(16, 20)]
    scores = pq.ParquetFile(folder / "ours.parquet")
    words = [name for name in scores.schema_arrow.names if name.startswith("reason_") or name in ("band", "segment")]
    first = pa.table(next(pq.ParquetFile(folder / "ours.parquet", read_dictionary=words).iter_batches(BLOCK)))
    rows = 0
    with (
        opened(source, text=text) as file,
        pq.ParquetWriter(folder / "limit.parquet", first.schema, **layout(first.schema)) as writer,
    ):
        for batch in batches(file, file.schema_arrow.names, BLOCK):
            writer.write_table(first.slice(0, len(batch)))
            rows += len(batch)
    return {"rows": rows}


def run_optbinning(source: Path, *, folder: Path) -> dict[str, float]:
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    taught, churned, called = _taught(source)
    texts = [name for name in taught if taught[name].dtype.kind not in "fi"]
    as_objects = dict.fromkeys(texts, object)
    fitted = Scorecard(
        BinningProcess(list(taught.columns), categorical_variables=texts),
        LogisticRegression(max_iter=1000),
        scaling_method="min_max",
        scaling_method_params={"min": 0, "max": 100},
    )
    fitted.fit(taught.astype(as_objects), churned, metric_missing="empirical")
    called = called.astype(as_objects)
    return _call(fitted.score, called)


def run_sklearn(source: Path, *, folder: Path) -> dict[str, float]:
    """Call the counterpart of a scorecard: each number in six bins, gaps told apart."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer

    return _logistic(source, make_pipeline(SimpleImputer(strategy="median", add_indicator=True), KBinsDiscretizer(6)))


def run_sklearn_scaled(source: Path, *, folder: Path) -> dict[str, float]:
    """Call the plainest pipeline: no curves, gaps filled and forgotten."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return _logistic(source, make_pipeline(SimpleImputer(strategy="median"), StandardScaler()))


def _logistic(source: Path, of_numbers: Any) -> dict[str, float]:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    taught, churned, called = _taught(source)
    texts = [name for name in taught if taught[name].dtype.kind not in "fi"]
    numbers = [name for name in taught if name not in texts]
    fitted = make_pipeline(
        make_column_transformer((of_numbers, numbers), (OneHotEncoder(handle_unknown="ignore"), texts)),
        LogisticRegression(max_iter=1000),
    ).fit(taught, churned)
    return _call(fitted.predict_proba, called)


def run_lightgbm(source: Path, *, folder: Path) -> dict[str, float]:
    """Call 300 trees of 31 leaves."""
    from lightgbm import LGBMClassifier

    taught, churned, called = _taught(source)
    texts = [name for name in taught if taught[name].dtype.kind not in "fi"]
    as_codes = dict.fromkeys(texts, "category")
    fitted = LGBMClassifier(n_estimators=300, num_leaves=31, n_jobs=1, verbose=-1)
    fitted.fit(taught.astype(as_codes), churned)
    return _call(fitted.predict_proba, called.astype(as_codes))


def run_challenger(source: Path, *, folder: Path) -> dict[str, float]:
    """Take the reasons of churnfit's challenger, gaps among the rows, and LightGBM's pred_contrib beside, in turns."""
    from churnfit.learning.boosting import Task, encoding_of
    from churnfit.learning.challenger import ChallengerFit

    taught, churned, called = _taught(source)
    called = called.head(EXPLAINED)
    encoding = encoding_of(taught)
    task = Task(
        design=encoding.encoded(taught),
        labels=churned.astype(float),
        categorical=encoding.categorical,
        random_state=0,
    )
    booster = task.train({"num_leaves": 31}, 300)
    fitted = ChallengerFit(
        encoding=encoding, best_params={}, cv_log_loss=0.0, trials=0, expected_logit=0.0, booster=booster
    )
    design = encoding.encoded(called)
    found, seconds = [], np.zeros(2)
    for _ in range(3):
        for place, explain in enumerate(
            (lambda: fitted.contributions(called), lambda: booster.predict(design, pred_contrib=True)[:, :-1])
        ):
            before = time.process_time()
            found.append(explain())
            seconds[place] += time.process_time() - before
    return {
        "rows": 3 * len(called),
        "seconds": seconds[0],
        "pred_contrib": seconds[1],
        "difference": float(np.abs(found[0] - found[1]).max()),
    }


def _taught(source: Path) -> Any:
    """Return measures to learn from, churn that depends on them, and measures to be called with."""
    import pyarrow.parquet as pq

    names = [f"m{number:02d}" for number in range(20)]
    frame = next(pq.ParquetFile(source).iter_batches(CALLED, columns=names)).to_pandas()
    random = np.random.default_rng(0)
    logit = (
        1.0 - 0.1 * frame["m00"] - frame["m01"].fillna(0) + 0.1 * frame["m07"].fillna(0) - (frame["m16"] > "value 2")
    )
    churned = (random.random(len(frame)) < 1 / (1 + np.exp(-logit))).astype(int).to_numpy()
    taught = frame.head(TAUGHT)
    return taught, churned[: len(taught)], frame


def _call(predict: Any, called: Any) -> dict[str, float]:
    predict(called.head(1000))
    before = time.process_time()
    predict(called)
    return {"rows": len(called), "seconds": time.process_time() - before}


CONTENDERS = {
    "ours": run_ours,
    "limit": run_limit,
    "optbinning": run_optbinning,
    "scikit-learn": run_sklearn,
    "scikit-learn scaled": run_sklearn_scaled,
    "lightgbm": run_lightgbm,
    "challenger": run_challenger,
}


# --- one run: all of them, one after the other -----------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What a contender scored, and what it cost."""

    rows: int
    seconds: float
    peak_gb: float

    @property
    def speed(self) -> float:
        """Million rows per CPU second."""
        return self.rows / self.seconds / 1e6


def ran(name: str, source: Path, folder: Path) -> dict[str, float]:
    """Return what the process of one contender said, with the CPU seconds of the whole of it where it named none."""
    command = [_python(name), __file__, "--run", name, "--source", source, "--folder", folder]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    found: dict[str, float] = {"seconds": whole, **json.loads(done.stdout.splitlines()[-1])}
    return found


def measured(name: str, source: Path, folder: Path) -> Cost:
    found = ran(name, source, folder)
    return Cost(rows=int(found["rows"]), seconds=found["seconds"], peak_gb=found["peak_gb"])


def _python(name: str) -> Path:
    """Return the Python that a contender runs in; optbinning's environment is made when missing."""
    if name != "optbinning":
        return Path(sys.executable)
    version = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = CACHE / "environments" / f"optbinning-{version}"  # the one of benchmarks/learners
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
    return python


def run_one(options: argparse.Namespace) -> None:
    """Be one contender, and print what it cost."""
    if options.run in ("ours", "limit", "challenger"):
        sys.path.insert(0, str(ROOT / "src"))
    if options.run in ("ours", "limit"):
        import pyarrow as pa

        pa.set_cpu_count(1)
    found = CONTENDERS[options.run](options.source, folder=options.folder)
    status = Path("/proc/self/status")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if status.exists():  # the other one knows the parent's memory too
        peak = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    print(json.dumps(found | {"peak_gb": peak / 1e6}))


def compared(source: Path, folder: Path) -> None:
    """Raise when a score or a reason differs from what the card itself says, on the first rows of the snapshot."""
    sys.path.insert(0, str(ROOT / "src"))
    import pyarrow.parquet as pq

    from churnfit.scorecard.shap import reasons

    given = next(pq.ParquetFile(source).iter_batches(SAMPLE)).to_pandas()
    ours = next(pq.ParquetFile(folder / "ours.parquet").iter_batches(SAMPLE)).to_pandas()
    it = card()
    points = it.points(given)
    health = it.health(given)
    np.testing.assert_array_equal(ours[[f"points_{name}" for name in points]].to_numpy(), points.to_numpy())
    np.testing.assert_array_equal(ours["health"], health)
    np.testing.assert_array_equal(ours["churn_probability"], it.churn_probability(given))
    np.testing.assert_array_equal(ours["band"].to_numpy(dtype=object), it.bands.band(health))
    np.testing.assert_array_equal(ours["coverage"], it.coverage(given))
    worst = reasons(it, given.head(2000)).set_index(["account_id", "rank"])
    for rank in (1, 2, 3):
        expected = worst.xs(rank, level="rank").loc[given["account_id"].head(2000)]
        labels = [
            it.measure(name).label if cost < 0 else ""
            for name, cost in expected[["measure", "health_points"]].to_numpy()
        ]
        told = ours[f"reason_{rank}"].head(2000)
        np.testing.assert_array_equal(told.str.split(":").str[0].fillna("").to_numpy(dtype=object), labels)
    print(f"scores of {len(given):,} accounts are the card's own, to the last bit\n")


def said(name: str, cost: Cost) -> None:
    print(f"{name:58} {cost.rows:>11,} {cost.seconds:9.2f} {cost.speed:9.3f} {cost.peak_gb:8.2f}", flush=True)


def target(what: str, value: float, limit: float, *, most: bool = False) -> bool:
    passes = value <= limit if most else value >= limit
    print(f"{'pass' if passes else 'FAIL':5} {what}: {value:.2f}, target {'<=' if most else '>='} {limit:g}")
    return passes


def main() -> None:
    options = _options()
    home = CACHE / "scoring"
    if options.clean:
        shutil.rmtree(home, ignore_errors=True)
        return
    if options.run:
        run_one(options)
        return
    source = home / f"{options.rows}.parquet"
    make_snapshot(source, options.rows)
    warm = home / f"{SMOKE_ROWS}.parquet"
    make_snapshot(warm, SMOKE_ROWS)
    with tempfile.TemporaryDirectory(dir=home) as name:
        folder = Path(name)
        measured("ours", warm, folder)  # the loops are compiled once per machine, which is no part of any run
        costs = {}
        print(f"{options.rows:,} accounts x 20 measures; rows, CPU seconds, million rows per CPU second, peak GB")
        for contender in ("ours", "limit", *options.contenders):
            costs[contender] = measured(contender, source, folder)
            said(DESCRIBED[contender], costs[contender])
        compared(source, folder)
        explained = ran("challenger", source, folder)
        print(
            f"the challenger's reasons: {explained['rows'] / explained['seconds']:,.0f} rows per CPU second; "
            f"LightGBM's pred_contrib {explained['rows'] / explained['pred_contrib']:,.0f}\n"
        )
    if options.smoke:
        return
    ours = costs["ours"]
    answers = [
        target("million rows per CPU second", ours.speed, 0.8),
        target("peak GB", ours.peak_gb, 0.8, most=True),
        target("CPU of the limit, times", ours.seconds / costs["limit"].seconds, 2.0, most=True),
        *(
            target(
                f"rows per CPU second / {contender} (the limit's: {costs['limit'].speed / costs[contender].speed:.1f})",
                ours.speed / costs[contender].speed,
                times,
            )
            for contender, times in zip(OTHERS, (4.0, 10.0, 10.0, 10.0), strict=True)
            if contender in costs
        ),
        target(
            "challenger's reasons, speed / pred_contrib", explained["pred_contrib"] / explained["seconds"], SAME_CALL
        ),
        target("challenger's reasons, difference / 1e-9", explained["difference"] / 1e-9, 1.0, most=True),
    ]
    raise SystemExit(0 if all(answers) else 1)


DESCRIBED = {
    "ours": "churnfit: Parquet to Parquet, points, band, three reasons",
    "limit": "the limit: decode and write the same columns",
    "optbinning": "optbinning Scorecard.score, the call alone",
    "scikit-learn": "scikit-learn bins, dummies, logistic: the call alone",
    "scikit-learn scaled": "scikit-learn scaled, dummies, logistic: the call alone",
    "lightgbm": "LightGBM 300 x 31 predict_proba, the call alone",
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--contenders", type=lambda text: text.split(",") if text else [], default=list(OTHERS))
    parser.add_argument("--smoke", action="store_true", help="few rows, no optbinning: that it runs, not how fast")
    parser.add_argument("--clean", action="store_true", help="remove the snapshots that were made")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.smoke:
        options.rows, options.contenders = SMOKE_ROWS, ["scikit-learn", "lightgbm"]
    return options


if __name__ == "__main__":
    main()
