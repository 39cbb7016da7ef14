"""Versions and the champion, in MLflow.

Two registered models per card: ``<card>_candidates``, one version per fit, and ``<card>``, one version per promotion,
with the alias ``champion``, which mirrors the ledger. A version's artifact is the card's JSON (no pickle), named by its
SHA-256 and checked on every load. What to log is data (`RunRecord`); logging is one loop. Who becomes champion, and
when, is `churnfit.registry.moves`.
"""

from __future__ import annotations

import logging
import math
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from churnfit.errors import IntegrityError, UsageError
from churnfit.registry.ledger import Ledger, Row, moves_in
from churnfit.registry.logged import log_card, quiet
from churnfit.registry.mirror import ALIAS, MARK, Mirror, up_to_date
from churnfit.registry.model import checked_card
from churnfit.registry.records import RunRecord, Version
from churnfit.scorecard.card import Scorecard
from churnfit.spec import is_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Registry"]

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
    ledger : Ledger
        Who is champion; every answer about it is held against MLflow's alias first.
    """

    def __init__(self, tracking_uri: str, artifacts: Path, ledger: Ledger) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        import mlflow

        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.WARNING)  # their INFO lines are not the user's business
        self._uri, self._artifacts, self.ledger = tracking_uri, artifacts, ledger
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        try:
            self._client: MlflowClient = mlflow.MlflowClient(tracking_uri, tracking_uri)
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
        """Log the run and register its card as the next candidate.

        Raises
        ------
        UsageError
            CF503 when the card's name could lead out of the store's folders.
        """
        import mlflow

        if not is_name(card.name):
            raise UsageError(
                "CF503",
                where="card",
                expected="a name of lower-case letters, digits and single _",
                came=repr(card.name),
                fix="Rename the card in its spec.",
            )

        with mlflow.start_run(experiment_id=self._experiment(card.name), run_name=f"fit-{card.sha256[:8]}") as run:
            mlflow.log_params(dict(record.params))
            mlflow.log_metrics({name: value for name, value in record.metrics.items() if math.isfinite(value)})
            for name, figure in record.figures.items():
                mlflow.log_figure(figure, f"figures/{name}.png")
            for name, text in record.texts.items():
                mlflow.log_text(text, name)
            model_uri = log_card(card)
        tags = {
            "sha256": card.sha256,
            "gates_passed": str(record.gates_passed),
            "run_id": run.info.run_id,
            "judged_against": record.champion_sha256,
        }
        with quiet():
            found = mlflow.register_model(model_uri, _candidates(card.name), tags=tags)
        return self.version(card.name, "candidate", int(found.version))

    def versions(self, card: str) -> list[Version]:
        """Return candidates then promoted versions, each oldest first; empty when the card is unknown."""
        moves = moves_in(self.rows(card))
        found = []
        for kind, model in (("candidate", _candidates(card)), ("version", card)):
            listed = self._client.search_model_versions(f"name='{model}'")
            found += [_as_version(card, kind, item, moves) for item in sorted(listed, key=lambda one: int(one.version))]
        return found

    def champion(self, card: str) -> Version | None:
        """Return the champion, None when nothing was promoted yet."""
        moves = moves_in(self.rows(card))
        return self.version(card, "version", moves[-1].version) if moves else None

    def resolve(self, card: str, reference: str) -> Version:
        """Return the version that ``champion``, ``latest`` (candidate), ``candidate-N`` or ``version-N`` names.

        Raises
        ------
        UsageError
            CF602 when there is none.
        """
        if reference == ALIAS:
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

    def admit(self, candidate: Version, *, reason: str) -> int:
        """Copy `candidate` to the production model; return the copy's number. It is no champion by that.

        A copy that no move came to use, because its promoter was killed or came second, is taken again.
        """
        used = {row.version for row in self.ledger.rows(candidate.card)}
        spare = [
            version.number
            for version in self.versions(candidate.card)
            if version.kind == "version" and version.sha256 == candidate.sha256 and version.number not in used
        ]
        if spare:
            number = spare[-1]
        else:
            source = f"models:/{_candidates(candidate.card)}/{candidate.number}"
            with quiet():
                number = int(self._client.copy_model_version(source, candidate.card).version)
        for name, value in (("promoted_from", candidate.reference), ("reason", reason)):
            self._client.set_model_version_tag(candidate.card, str(number), name, value)
        return number

    def admit_again(self, row: Row) -> int:
        """Register the card that the ledger kept in `row` as a new production version; return its number."""
        import mlflow

        card = Scorecard.from_json(row.card_json)
        with mlflow.start_run(experiment_id=self._experiment(card.name), run_name=f"restore-{card.sha256[:8]}") as run:
            model_uri = log_card(card)
        tags = {"sha256": card.sha256, "gates_passed": "True", "run_id": run.info.run_id}
        with quiet():
            return int(mlflow.register_model(model_uri, row.card, tags=tags).version)

    def rows(self, card: str) -> list[Row]:
        """Return the ledger's rows of `card`, the mirror held against them, and set forward where it was behind.

        Raises
        ------
        IntegrityError
            CF610, CF611: as `churnfit.registry.mirror.up_to_date`.
        """
        mirror = self.mirror(card)  # before the rows: who moves on in between makes it behind, never ahead
        rows = self.ledger.rows(card)
        if not up_to_date(card, rows, mirror):
            self.reflect(card)
        return rows

    def mirror(self, card: str) -> Mirror:
        """Return what MLflow says of the champion."""
        listed = self._client.search_registered_models(f"name='{card}'")
        if not listed:
            return Mirror()
        alias = listed[0].aliases.get(ALIAS)
        return Mirror(version=None if alias is None else int(alias), mark=listed[0].tags.get(MARK, ""))

    def reflect(self, card: str) -> None:
        """Set the alias and the mark to the ledger's end, in the ledger's order if several do."""
        with self.ledger.held(card) as rows:
            if not self._client.search_registered_models(f"name='{card}'"):
                self._client.create_registered_model(card)
            for row in moves_in(rows)[-1:]:
                self._client.set_registered_model_alias(card, ALIAS, str(row.version))
            for row in rows[-1:]:
                self._client.set_registered_model_tag(card, MARK, row.mark)

    def production(self, card: str, number: int) -> Version:
        """Return a production version by MLflow's own word, for where the ledger cannot be believed."""
        return _as_version(card, "version", self._client.get_model_version(card, str(number)), [])

    def text(self, version: Version, name: str) -> str:
        """Return a text that was logged with the version's run; CF601 when it is gone."""
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            text: str = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}")
        except (MlflowException, OSError) as fault:
            raise _lost(version, str(fault)[:200], what=name) from fault
        return text

    def _experiment(self, card: str) -> str:
        found = self._client.get_experiment_by_name(card)
        if found is not None:
            return str(found.experiment_id)
        local = self._uri.startswith("sqlite:")
        place = (self._artifacts / card).resolve().as_uri() if local else None
        return str(self._client.create_experiment(card, artifact_location=place))

    def version(self, card: str, kind: str, number: int) -> Version:
        """Return one version; that of a move has the hash that the ledger promised, whatever MLflow's tag says.

        Raises
        ------
        IntegrityError
            CF603 when MLflow does not have it.
        """
        from mlflow.exceptions import MlflowException

        try:
            item = self._client.get_model_version(_candidates(card) if kind == "candidate" else card, str(number))
        except MlflowException as fault:
            raise IntegrityError(
                "CF603",
                where="MLflow",
                expected=f"{kind}-{number} of card '{card}'",
                came=str(fault)[:200],
                fix="Restore MLflow's store from a backup, or correct tracking_uri in churnfit.toml.",
            ) from fault
        return _as_version(card, kind, item, moves_in(self.rows(card)))


def _candidates(card: str) -> str:
    return f"{card}_candidates"


def _as_version(card: str, kind: str, item: Any, moves: list[Row]) -> Version:
    created = pd.Timestamp(int(item.creation_timestamp), unit="ms", tz="UTC")
    number = int(item.version)
    promised = {row.version: row.card_sha256 for row in moves} if kind == "version" else {}
    return Version(
        card=card,
        kind=kind,
        number=number,
        sha256=promised.get(number, item.tags.get("sha256", "")),
        run_id=item.tags.get("run_id", ""),
        gates_passed=item.tags.get("gates_passed") == "True",
        judged_against=item.tags.get("judged_against", ""),
        is_champion=number in promised and number == moves[-1].version,
        promoted_from=item.tags.get("promoted_from", ""),
        reason=item.tags.get("reason", ""),
        created_at=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _lost(version: Version, came: str, *, what: str = "scorecard JSON") -> IntegrityError:
    return IntegrityError(
        "CF601",
        where=f"{version.card} {version.reference}",
        expected=f"its {what} in the artifact store",
        came=came,
        fix="Restore the store to where it was (MLflow keeps absolute paths; a workspace cannot be moved), or refit.",
    )
