"""Versions and the champion on a real MLflow server, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from tests.small_card import CARD, HEALTH, snapshot

from churnfit.errors import IntegrityError
from churnfit.registry import Ledger, Registry, RunRecord, mending, moves
from churnfit.registry.moves import Deed

OTHER = replace(CARD, slope=0.09)
NOON = Deed(by="ann", at="2026-03-01T12:00:00Z", reason="its gates passed")
ONE = Deed(by="bob", at="2026-03-01T13:00:00Z", reason="it misled us")
_SECONDS_TO_START = 180


@pytest.fixture(scope="module")
def server(empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an MLflow server that serves its artifacts itself, and the folder where they lie."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_mlflow, folder / "mlflow.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
               "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, folder / "log")
        yield address, folder / "artifacts"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 - an address of loopback, made above
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture
def registry(server: tuple[str, Path], tmp_path: Path) -> Registry:
    """A registry on the server, with a ledger of its own in the workspace."""
    return Registry(server[0], tmp_path / "unused", Ledger(f"sqlite:///{tmp_path / 'churnfit.db'}"))


def test_a_card_goes_the_whole_way_on_a_server(registry: Registry, server: tuple[str, Path], tmp_path: Path) -> None:
    """Registered, promoted, replaced, rolled back and loaded byte for byte; nothing is kept beside the server."""
    texts = {"gates.txt": "every gate passed"}
    first = registry.register(CARD, RunRecord(params={"rows": 100}, metrics={}, texts=texts, gates_passed=True))
    moves.promote(registry, first, NOON)
    against = RunRecord(params={}, metrics={}, texts=texts, gates_passed=True, champion_sha256=CARD.sha256)
    moves.promote(registry, registry.register(OTHER, against), NOON)
    assert registry.load(registry.resolve("small", "champion")) == OTHER
    moves.rollback(registry, "small", ONE, examine=lambda _card, _version: "sang")
    champion = registry.resolve("small", "champion")
    assert (registry.load(champion), champion.number) == (CARD, 1)
    assert registry.text(first, "gates.txt") == "every gate passed"
    assert mending.faults(registry, "small") == []
    assert not (tmp_path / "unused").exists()

    served = mlflow.pyfunc.load_model("models:/small@champion")
    found = served.predict(snapshot().drop(columns=["account_id", "as_of", "owner", "arr", "stage_day"]))
    assert found["health"].tolist() == HEALTH

    # an alias that somebody moves on the server, and a byte changed in its store, are found
    mlflow.MlflowClient(server[0]).set_registered_model_alias("small", "champion", "2")
    with pytest.raises(IntegrityError, match="CF611"):
        registry.champion("small")
    mending.mend(registry, "small", ONE)
    for stored in server[1].rglob(f"scorecard-{CARD.sha256}.json"):
        stored.write_bytes(stored.read_bytes().replace(b"0.08", b"0.07"))
    with pytest.raises(IntegrityError, match="CF601"):
        registry.load(registry.resolve("small", "champion"))


def test_a_server_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the server's state and what to do; nothing is tried against a local file instead."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(IntegrityError, match="CF603 MLflow: expected a store that answers"):
        Registry("http://127.0.0.1:1", tmp_path, Ledger(f"sqlite:///{tmp_path / 'churnfit.db'}"))
