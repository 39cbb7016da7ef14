"""What every learner's script shares: read a task, time the fits, write probabilities and costs.

A task folder holds `rows.parquet` (measures, and 0/1 `churned`) and `splits.parquet` (a column per split, true where
the row judges). The script writes `probabilities.parquet` (a column per split, NaN where the row taught) and
`fits.json` (a list with CPU seconds, rows scored per CPU second, measures and points of each fit). It runs under
every peer's own pandas.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

TARGET = "churned"
_SCORING_SECONDS = 0.2  # a shorter run would be lost in the clock's grain
_WARM_UP_ROWS = 400


@dataclass(frozen=True)
class Fitted:
    """A fitted learner: how it scores rows (n, measures) to probabilities (n,), and how much there is to read."""

    probability: Callable
    measures: int
    points: int


def run(learn: Callable, *, warm_up: bool = False) -> None:
    """Fit and score every split of the task named on the command line: ``script.py TASK OUT [SETTINGS]``.

    `learn(rows, churned)` returns a `Fitted`; with `warm_up` it is called once before, untimed, so that just-in-time
    compilation is no part of the seconds.
    """
    task, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = pd.read_parquet(task / "rows.parquet")
    churned = rows.pop(TARGET).to_numpy(dtype=np.int64)
    splits = pd.read_parquet(task / "splits.parquet")
    if warm_up:
        few = np.flatnonzero(~splits.iloc[:, 0].to_numpy())
        few = np.random.default_rng(0).permutation(few)[:_WARM_UP_ROWS]
        learn(rows.iloc[few].reset_index(drop=True), churned[few])
    probabilities, fits = {}, []
    for name in splits.columns:
        judges = splits[name].to_numpy()
        learning, judging = (rows[part].reset_index(drop=True) for part in (~judges, judges))
        before = time.process_time()
        fitted = learn(learning, churned[~judges])
        seconds = time.process_time() - before
        column = np.full(len(rows), np.nan)
        column[judges] = fitted.probability(judging)
        probabilities[name] = column
        fits.append(
            {
                "cpu_seconds": seconds,
                "rows_per_second": _rows_per_second(fitted, judging),
                "measures": int(fitted.measures),
                "points": int(fitted.points),
            }
        )
    pd.DataFrame(probabilities).to_parquet(out / "probabilities.parquet")
    (out / "fits.json").write_text(json.dumps(fits))


def settings() -> dict:
    """Return the settings given as the third argument, JSON; none when absent."""
    return json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}


def text_columns(rows: pd.DataFrame) -> list:
    """Return the names of the categorical columns."""
    return [name for name in rows.columns if not pd.api.types.is_numeric_dtype(rows[name])]


def _rows_per_second(fitted: Fitted, judging: pd.DataFrame) -> float:
    scored, before = 0, time.process_time()
    while (spent := time.process_time() - before) < _SCORING_SECONDS:
        fitted.probability(judging)
        scored += len(judging)
    return scored / spent
