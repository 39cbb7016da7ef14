"""The command line as a process: how fast it answers, and how it ends when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}
HEAVY = ("pandas", "sklearn", "mlflow", "shap", "duckdb", "lightgbm", "numba", "optuna", "matplotlib", "sqlalchemy")


@pytest.mark.parametrize("arguments", [None, ["--help"], ["score", "--help"], ["explain-code", "CF104"]])
def test_nothing_heavy_is_loaded_before_it_is_needed(arguments: list[str] | None) -> None:
    """Importing, help and looking up a code answer without a single heavy library."""
    run = f"sys.argv = ['churnfit', *{arguments}]\ntry:\n    main()\nexcept SystemExit:\n    pass" if arguments else ""
    loaded = f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    script = f"import sys\nimport churnfit\nfrom churnfit.cli import main\n{run}\n{loaded}"
    ended = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stderr.strip() == "[]"
    assert (ended.stdout != "") is (arguments is not None)


def test_python_m_churnfit_is_churnfit(tmp_path: Path) -> None:
    """The module runs the same commands with the same exit codes."""
    ended = subprocess.run(
        [sys.executable, "-m", "churnfit", "runs"],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "error[CF501]" in ended.stderr


def _heed_ctrl_c() -> None:
    """Undo what a shell does to its background jobs: there Ctrl-C is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("step", ["Simulating", "Measuring", "Learning"])
def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path, step: str) -> None:
    """Interrupted in any step: exit code 130, one sentence, no aside file, and what is there can be read."""
    running = subprocess.Popen(
        [sys.executable, "-m", "churnfit", "demo", str(tmp_path / "demo")],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 - this process has no threads that hold locks
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith(step):
            break
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert "Interrupted; nothing was left half-written." in err
    assert "Traceback" not in err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".tmp"] == []
    import pyarrow.parquet as pq

    for path in files:
        if path.suffix == ".parquet":
            assert pq.read_metadata(path).num_rows > 0
    assert not (tmp_path / "demo" / ".churnfit" / "scores").exists()
