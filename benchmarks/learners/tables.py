"""The tables learners are compared on: rows of measures, who churned, and which rows teach and which judge."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from generated import GENERATORS, large
from numpy.typing import NDArray

__all__ = ["TABLES", "USUAL_TABLES", "Split", "Table", "smoke_table", "table"]

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data"

Rows = NDArray[np.intp]

_SEED = 20_26
_FOLDS = 5
_DRAWS = 48  # small samples differ more by who is drawn than by how one learns: of 24 draws .004 were luck

# customer_id names the row, country and state are constant, the churn columns and cltv are derived from the label.
_TELCO_DROPPED = ["customer_id", "country", "state", "churn_label", "churn_score", "churn_reason", "cltv"]


@dataclass(frozen=True, eq=False)
class Split:
    """One fit: the rows that teach and the rows that judge. Splits of one draw are pooled before they are judged."""

    draw: int
    learn: Rows
    judge: Rows


@dataclass(frozen=True, eq=False)
class Table:
    """Measures (numbers, or text for categories; NaN for gaps), 0/1 churned (n,), and the splits.

    `began` (n,) is when each row's stage began, where rows are of dated cohorts: only churnfit asks for it.
    """

    name: str
    rows: pd.DataFrame
    churned: NDArray[np.int64]
    splits: tuple[Split, ...]
    began: NDArray[np.datetime64] | None = None

    @property
    def sha256(self) -> str:
        """The hash of values, labels and splits: what predictions are kept under."""
        digest = hashlib.sha256(self.rows.to_csv(index=False, na_rep="<gap>").encode())
        digest.update(self.churned.tobytes())
        for split in self.splits:
            digest.update(repr(split.draw).encode() + split.learn.tobytes() + split.judge.tobytes())
        return digest.hexdigest()


def table(name: str) -> Table | None:
    """Return the table of this name, None where its data is absent."""
    return TABLES[name](name)


def smoke_table() -> Table:
    """Return a table small enough to fit in a moment."""
    return _generated("planted_additive", 600, folds=2)


def _folded(name: str, rows: pd.DataFrame, churned: NDArray[np.int64], folds: int = _FOLDS) -> Table:
    from sklearn.model_selection import StratifiedKFold

    dealt = StratifiedKFold(folds, shuffle=True, random_state=_SEED).split(rows, churned)
    return Table(name, rows, churned, tuple(Split(0, learn, judge) for learn, judge in dealt))


def _small(full: Table, name: str, n_rows: int) -> Table:
    """Return the table of which `n_rows` teach and the others judge, drawn several times."""
    splits = []
    for draw in range(_DRAWS):
        shuffled = np.random.default_rng([_SEED, draw]).permutation(len(full.rows))
        splits.append(Split(draw, np.sort(shuffled[:n_rows]), np.sort(shuffled[n_rows:])))
    return Table(name, full.rows, full.churned, tuple(splits))


def _generated(name: str, n_rows: int | None = None, folds: int = _FOLDS) -> Table:
    usual, make = GENERATORS[name]
    place = sorted(GENERATORS).index(name)
    rows, churned = make(n_rows or usual, np.random.default_rng([_SEED, place]))
    return _folded(name, rows, churned, folds)


def _telco(name: str) -> Table | None:
    path = DATA / "telco" / "telco.parquet"
    if not path.is_file():
        return None
    rows = pd.read_parquet(path).drop(columns=_TELCO_DROPPED)
    return _folded(name, rows.drop(columns="churn_value"), rows["churn_value"].to_numpy(np.int64))


def _pysurvival(name: str) -> Table | None:
    path = DATA / "pysurvival_churn" / "churn.parquet"
    if not path.is_file():
        return None
    rows = pd.read_parquet(path).drop(columns="months_active")  # the survival time
    return _folded(name, rows.drop(columns="churned"), rows["churned"].to_numpy(np.int64))


def _oulad(name: str) -> Table | None:
    """Return students at week four: the intakes of 2013 teach, the autumn of 2014 judges. One row per enrolment."""
    if not (DATA / "oulad").is_dir():
        return None
    from churnfit.jobs.history import training_set
    from churnfit.jobs.workspace import find_workspace
    from churnfit.learning.fitting import measure_columns

    workspace = find_workspace(REPOSITORY)
    found = training_set(workspace, "oulad", as_of=pd.Timestamp("2016-01-01", tz="UTC")).rows
    intake = found["account_id"].str[-5:]
    used = found[intake.isin(["2013B", "2013J", "2014J"])].reset_index(drop=True)
    later = (used["account_id"].str[-5:] == "2014J").to_numpy()
    rows = used[[*measure_columns(used, workspace.spec("oulad")), "segment"]]
    split = Split(0, np.flatnonzero(~later), np.flatnonzero(later))
    began = used["started_at"].dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    return Table(name, rows, used["churned"].to_numpy(np.int64), (split,), began)


def _small_of(make: Callable[[str], Table | None], n_rows: int) -> Callable[[str], Table | None]:
    def made(name: str) -> Table | None:
        full = make(name)
        return None if full is None else _small(full, name, n_rows)

    return made


def _large(name: str) -> Table:
    """Return 100,000 rows that teach and 20,000 that judge: what learning costs."""
    rows, churned = large(120_000, np.random.default_rng(_SEED))
    return Table(name, rows, churned, (Split(0, np.arange(100_000), np.arange(100_000, 120_000)),))


TABLES: dict[str, Callable[[str], Table | None]] = {
    "telco": _telco,
    "telco_n300": _small_of(_telco, 300),
    "pysurvival": _pysurvival,
    "pysurvival_n300": _small_of(_pysurvival, 300),
    "oulad": _oulad,
    "planted_additive": _generated,
    "planted_additive_n500": lambda name: _small(_generated("planted_additive"), name, 500),
    **dict.fromkeys(("interacting", "two_sided", "strong", "correlated", "shared_noise"), _generated),
    "large": _large,
}
"""How each table is made; None is returned where its data is absent."""

USUAL_TABLES = [name for name in TABLES if name != "large"]
"""The tables that accuracy is compared on."""
