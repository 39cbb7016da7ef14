"""Versions and the champion, in MLflow: the only module that calls it.

Two registered models per card: ``<card>_candidates``, one version per fit, and ``<card>``, one version per promotion,
with the alias ``champion``. A version's artifact is the card's JSON (no pickle), named by its SHA-256 and checked on
every load. What to log is data (`RunRecord`); logging is one loop.
"""

from __future__ import annotations

import io
import logging
import math
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnfit.errors import BusyError, GateError, IntegrityError, UsageError
from churnfit.registry.model import checked_card
from churnfit.registry.records import RunRecord, Version
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import input_columns

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Registry"]

_ALIAS = "champion"
_REFERENCE = re.compile(r"(candidate|version)-(\d+)")
_QUIET = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_LOG_UV_FILES": "false",
}


class Registry:
    """The versions of every card in one MLflow store.

    Parameters
    ----------
    tracking_uri : str
        ``sqlite:///…`` or the address of an MLflow server.
    artifacts : Path
        Where a local store keeps artifacts (a server has its own place).
    """

    def __init__(self, tracking_uri: str, artifacts: Path) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        import mlflow

        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.WARNING)  # their INFO lines are not the user's business
        self._uri, self._artifacts = tracking_uri, artifacts
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        self._client: MlflowClient = mlflow.MlflowClient(tracking_uri, tracking_uri)
        try:
            self._client.search_experiments(max_results=1)
        except Exception as fault:  # whatever MLflow's store lets through: a damaged file, no answer
            raise IntegrityError(
                "CF603",
                where="MLflow",
                expected="a store that answers",
                came=str(fault).splitlines()[0][:200],
                fix="Restore it, start the server, or correct tracking_uri in churnfit.toml.",
            ) from fault

    def register(self, card: Scorecard, record: RunRecord) -> Version:
        """Log the run and register its card as the next candidate."""
        import mlflow

        with mlflow.start_run(experiment_id=self._experiment(card.name), run_name=f"fit-{card.sha256[:8]}") as run:
            mlflow.log_params(dict(record.params))
            mlflow.log_metrics({name: value for name, value in record.metrics.items() if math.isfinite(value)})
            for name, figure in record.figures.items():
                mlflow.log_figure(figure, f"figures/{name}.png")
            for name, text in record.texts.items():
                mlflow.log_text(text, name)
            model_uri = self._log_model(card)
        tags = {
            "sha256": card.sha256,
            "gates_passed": str(record.gates_passed),
            "run_id": run.info.run_id,
            "judged_against": record.champion_sha256,
        }
        with _quiet():
            found = mlflow.register_model(model_uri, _candidates(card.name), tags=tags)
        return self._version(card.name, "candidate", int(found.version))

    def versions(self, card: str) -> list[Version]:
        """Return candidates then promoted versions, each oldest first; empty when the card is unknown."""
        champion = self._champion_number(card)
        found = []
        for kind, model in (("candidate", _candidates(card)), ("version", card)):
            listed = self._client.search_model_versions(f"name='{model}'")
            for item in sorted(listed, key=lambda item: int(item.version)):
                number = int(item.version)
                found.append(_as_version(card, kind, item, is_champion=kind == "version" and number == champion))
        return found

    def champion(self, card: str) -> Version | None:
        """Return the champion, None when nothing was promoted yet."""
        number = self._champion_number(card)
        return None if number is None else self._version(card, "version", number)

    def resolve(self, card: str, reference: str) -> Version:
        """Return the version that ``champion``, ``latest`` (candidate), ``candidate-N`` or ``version-N`` names.

        Raises
        ------
        UsageError
            CF602 when there is none.
        """
        if reference == _ALIAS:
            champion = self.champion(card)
            if champion is not None:
                return champion
            raise UsageError(
                "CF602",
                where=f"card '{card}'",
                expected="a champion",
                came="none yet",
                fix="Promote a candidate: churnfit promote --apply.",
            )
        versions = self.versions(card)
        if reference == "latest":
            candidates = [version for version in versions if version.kind == "candidate"]
            if candidates:
                return candidates[-1]
        elif _REFERENCE.fullmatch(reference):
            for version in versions:
                if version.reference == reference:
                    return version
        known = ", ".join(version.reference for version in versions[-6:]) or "none"
        raise UsageError(
            "CF602",
            where=f"card '{card}'",
            expected="champion, latest, candidate-N or version-N",
            came=f"'{reference}' (known: {known})",
            fix="churnfit list shows them; churnfit fit makes one.",
        )

    def load(self, version: Version) -> Scorecard:
        """Return the card of `version`, its bytes checked against the hash it was registered with.

        Raises
        ------
        IntegrityError
            CF601 when the artifact was changed or is gone.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        model = _candidates(version.card) if version.kind == "candidate" else version.card
        with tempfile.TemporaryDirectory() as folder:
            try:
                local = mlflow.artifacts.download_artifacts(f"models:/{model}/{version.number}", dst_path=folder)
            except (MlflowException, OSError) as fault:
                raise _lost(version, str(fault)[:200]) from fault
            found = list(Path(local, "data").glob("*.json"))
            if len(found) != 1:
                raise _lost(version, f"{len(found)} JSON files")
            return checked_card(found[0], version.sha256)

    def promote(self, candidate: Version, *, reason: str) -> Version:
        """Make `candidate` the champion: copy it to the production model and move the alias.

        The champion's own card again changes nothing.

        Raises
        ------
        GateError
            CF606 when its gates did not pass.
        BusyError
            CF608 when the champion is no longer the one its gates compared it with.
        """
        if not candidate.gates_passed:
            raise GateError(
                "CF606",
                where=f"{candidate.card} {candidate.reference}",
                expected="every gate passed",
                came="a gate that said no",
                fix=f"churnfit show {candidate.reference} names it; refit, or change the limit in the spec.",
            )
        self.load(candidate)
        champion = self.champion(candidate.card)
        if champion is not None and champion.sha256 == candidate.sha256:
            return champion
        if candidate.judged_against != (champion.sha256 if champion else ""):
            raise BusyError(
                "CF608",
                where=f"{candidate.card} {candidate.reference}",
                expected="gates that compared it with the present champion",
                came=f"a comparison with {candidate.judged_against[:12] or 'none'}",
                fix="Fit again: the new candidate is judged against the champion of today.",
            )
        source = f"models:/{_candidates(candidate.card)}/{candidate.number}"
        with _quiet():
            copied = self._client.copy_model_version(source, candidate.card)
        number = int(copied.version)
        tags = {
            "promoted_from": candidate.reference,
            "reason": reason,
            "replaced": str(champion.number if champion else ""),
        }
        for name, value in tags.items():
            self._client.set_model_version_tag(candidate.card, str(number), name, value)
        self._client.set_registered_model_alias(candidate.card, _ALIAS, str(number))
        return self._version(candidate.card, "version", number)

    def predecessor(self, card: str) -> Version:
        """Return the version that the champion replaced.

        Raises
        ------
        UsageError
            CF607 when the champion replaced nothing, CF602 when there is no champion.
        """
        champion = self.resolve(card, _ALIAS)
        replaced = self._client.get_model_version(card, str(champion.number)).tags.get("replaced")
        if not replaced:
            raise UsageError(
                "CF607",
                where=f"card '{card}'",
                expected="an earlier champion",
                came=f"{champion.reference} is the first",
                fix="Promote another candidate instead.",
            )
        return self._version(card, "version", int(replaced))

    def rollback(self, card: str) -> Version:
        """Make the version that the champion replaced the champion again; CF607 when it replaced nothing."""
        earlier = self.predecessor(card)
        self.load(earlier)
        self._client.set_registered_model_alias(card, _ALIAS, str(earlier.number))
        return self._version(card, "version", earlier.number)

    def text(self, version: Version, name: str) -> str:
        """Return a text that was logged with the version's run."""
        import mlflow

        text: str = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}")
        return text

    def _experiment(self, card: str) -> str:
        found = self._client.get_experiment_by_name(card)
        if found is not None:
            return str(found.experiment_id)
        local = self._uri.startswith("sqlite:")
        place = (self._artifacts / card).resolve().as_uri() if local else None
        return str(self._client.create_experiment(card, artifact_location=place))

    def _log_model(self, card: Scorecard) -> str:
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        inputs: Any = [ColSpec(kind, name, required=need) for name, (kind, need) in input_columns(card).items()]
        outputs = Schema(
            [ColSpec("double", "health"), ColSpec("double", "churn_probability"), ColSpec("string", "band")]
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"scorecard-{card.sha256}.json")
            path.write_text(card.to_json(), encoding="utf-8")
            with _quiet():
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

    def _champion_number(self, card: str) -> int | None:
        listed = self._client.search_registered_models(f"name='{card}'")
        alias = listed[0].aliases.get(_ALIAS) if listed else None
        return None if alias is None else int(alias)

    def _version(self, card: str, kind: str, number: int) -> Version:
        item = self._client.get_model_version(_candidates(card) if kind == "candidate" else card, str(number))
        return _as_version(card, kind, item, is_champion=kind == "version" and number == self._champion_number(card))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's notices off the user's terminal; its errors are exceptions and come through."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _candidates(card: str) -> str:
    return f"{card}_candidates"


def _as_version(card: str, kind: str, item: Any, *, is_champion: bool) -> Version:
    created = pd.Timestamp(int(item.creation_timestamp), unit="ms", tz="UTC")
    return Version(
        card=card,
        kind=kind,
        number=int(item.version),
        sha256=item.tags.get("sha256", ""),
        run_id=item.tags.get("run_id", ""),
        gates_passed=item.tags.get("gates_passed") == "True",
        judged_against=item.tags.get("judged_against", ""),
        is_champion=is_champion,
        promoted_from=item.tags.get("promoted_from", ""),
        reason=item.tags.get("reason", ""),
        created_at=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _lost(version: Version, came: str) -> IntegrityError:
    return IntegrityError(
        "CF601",
        where=f"{version.card} {version.reference}",
        expected="its scorecard JSON in the artifact store",
        came=came,
        fix="Restore the store to where it was (MLflow keeps absolute paths; a workspace cannot be moved), or refit.",
    )
