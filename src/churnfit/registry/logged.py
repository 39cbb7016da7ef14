"""A card as MLflow keeps it: its JSON behind the pyfunc interface, with a signature, without pickle."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import input_columns

__all__ = ["log_card", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MLflow's notices off the user's terminal; its errors are exceptions and come through."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def log_card(card: Scorecard) -> str:
    """Log `card` as a model, of the active run where there is one; return the model's URI."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs: Any = [ColSpec(kind, name, required=need) for name, (kind, need) in input_columns(card).items()]
    outputs = Schema([ColSpec("double", "health"), ColSpec("double", "churn_probability"), ColSpec("string", "band")])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"scorecard-{card.sha256}.json")
        path.write_text(card.to_json(), encoding="utf-8")
        with quiet():
            logged = mlflow.pyfunc.log_model(
                name="scorecard",
                loader_module="churnfit.registry.model",
                data_path=str(path),
                signature=ModelSignature(Schema(inputs), outputs),
                pip_requirements=["churnfit"],
                metadata={"sha256": card.sha256},
                model_type="scorecard",
            )
    return str(logged.model_uri)
