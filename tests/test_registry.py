"""Versions and the champion, in a real MLflow store."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.small_card import CARD, HEALTH, snapshot

from churnfit.errors import BusyError, GateError, IntegrityError, UsageError
from churnfit.registry import Ledger, Registry, RunRecord, Version, moves
from churnfit.registry.moves import Deed
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.contract import coerce, input_columns

OTHER = replace(CARD, slope=0.09)
THIRD = replace(CARD, slope=0.10)


@pytest.fixture
def registry(empty_mlflow: Path, tmp_path: Path) -> Registry:
    """An empty registry."""
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'churnfit.db'}")
    return Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts", ledger)


def register(registry: Registry, card: Scorecard = CARD, *, gates_passed: bool = True) -> Version:
    """Register `card` with little beside it."""
    record = RunRecord(
        params={"rows": 100},
        metrics={"card.auc": 0.8, "card.unknown": float("nan")},
        texts={"gates.md": "# gates"},
        gates_passed=gates_passed,
        champion_sha256=champion.sha256 if (champion := registry.champion(card.name)) else "",
    )
    return registry.register(card, record)


def promote(registry: Registry, candidate: Version, reason: str = "because") -> Version:
    """Promote as ann, at noon."""
    return moves.promote(registry, candidate, Deed(by="ann", at="2026-03-01T12:00:00Z", reason=reason))


def rollback(registry: Registry) -> Version:
    """Roll the card back as bob, at one o'clock, with a canary that always sings."""
    deed = Deed(by="bob", at="2026-03-01T13:00:00Z", reason="it misled us")
    return moves.rollback(registry, "small", deed, examine=lambda _card, _version: "sang")


def json_of(tmp_path: Path) -> list[Path]:
    """Return every stored scorecard."""
    return sorted((tmp_path / "artifacts").rglob("scorecard-*.json"))


def test_a_registered_card_is_listed_resolved_and_loaded_byte_for_byte(registry: Registry) -> None:
    """What comes back is what went in; the run keeps its texts."""
    version = register(registry)
    assert (version.reference, version.sha256, version.gates_passed) == ("candidate-1", CARD.sha256, True)
    assert registry.versions("small") == [version]
    assert registry.resolve("small", "latest") == registry.resolve("small", "candidate-1") == version
    assert registry.load(version).to_json() == CARD.to_json()
    assert registry.text(version, "gates.md") == "# gates"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("champion", r"CF602 card 'small': expected a champion; came none yet"),
        ("candidate-7", r"CF602 .*came 'candidate-7' \(known: candidate-1\)"),
        ("version-1", r"CF602 .*came 'version-1'"),
        ("candidate-1; DROP", r"CF602 .*expected champion, latest, candidate-N or version-N"),
    ],
)
def test_an_unknown_reference_is_refused_with_the_known_ones(registry: Registry, reference: str, message: str) -> None:
    """A reference to nothing is a usage error that lists what there is."""
    register(registry)
    with pytest.raises(UsageError, match=message):
        registry.resolve("small", reference)


def test_a_card_never_fitted_has_no_versions(registry: Registry) -> None:
    """Its list is empty, and latest names nothing."""
    assert registry.versions("small") == []
    with pytest.raises(UsageError, match=r"CF602 .*known: none"):
        registry.resolve("small", "latest")


def test_promoting_copies_the_version_and_moves_the_champion(registry: Registry) -> None:
    """A promotion is a version of its own, with the reason, the same card, and where it came from."""
    promote(registry, register(registry), "the first")
    champion = promote(registry, register(registry, OTHER), "calibrated better")
    assert (champion.reference, champion.is_champion) == ("version-2", True)
    assert (champion.promoted_from, champion.reason) == ("candidate-2", "calibrated better")
    assert registry.resolve("small", "champion") == champion
    assert registry.load(champion).to_json() == OTHER.to_json()
    found = [(version.reference, version.is_champion) for version in registry.versions("small")]
    assert found == [("candidate-1", False), ("candidate-2", False), ("version-1", False), ("version-2", True)]


def test_a_candidate_judged_against_another_champion_is_stale(registry: Registry) -> None:
    """Both were judged when there was no champion; once one is it, the other was never compared with it."""
    first, second = register(registry), register(registry, OTHER)
    promote(registry, first, "the first")
    with pytest.raises(BusyError, match=r"CF608 small candidate-2: .*Fit again") as fault:
        promote(registry, second, "the second")
    assert fault.value.exit_code == 3


def test_promoting_the_champion_s_own_card_changes_nothing(registry: Registry) -> None:
    """A refit that learns the same card makes no new version, so a rollback still goes to another card."""
    champion = promote(registry, register(registry), "the first")
    assert promote(registry, register(registry), "again") == champion
    assert [v.reference for v in registry.versions("small") if v.kind == "version"] == ["version-1"]


def test_a_card_that_failed_a_gate_cannot_be_promoted(registry: Registry) -> None:
    """The refusal is CF606, and there is still no champion."""
    refused = register(registry, gates_passed=False)
    with pytest.raises(GateError, match=r"CF606 small candidate-1: expected every gate passed") as fault:
        promote(registry, refused, "please")
    assert fault.value.exit_code == 1
    assert [version.reference for version in registry.versions("small")] == ["candidate-1"]


def test_rollback_goes_back_through_the_chain_of_champions(registry: Registry) -> None:
    """The third gives way to the second, the second to the first, and the first to nothing."""
    for card in (CARD, OTHER, THIRD):
        promote(registry, register(registry, card), "next")
    assert rollback(registry).reference == "version-2"
    back = rollback(registry)
    assert (back.reference, back.is_champion) == ("version-1", True)
    assert registry.load(registry.resolve("small", "champion")) == CARD
    with pytest.raises(UsageError, match=r"CF607 card 'small': .*version-1 is the first"):
        rollback(registry)


def test_a_promotion_after_a_rollback_replaces_the_champion_of_that_day(registry: Registry) -> None:
    """After 1, 2, back to 1, then 3: rolling back from 3 gives 1, not 2."""
    promote(registry, register(registry, CARD), "one")
    promote(registry, register(registry, OTHER), "two")
    rollback(registry)
    promote(registry, register(registry, THIRD), "three")
    assert rollback(registry).reference == "version-1"


def test_one_changed_byte_is_found_when_loading(registry: Registry, tmp_path: Path) -> None:
    """Somebody improves a number in the stored JSON: CF601, exit code 4, also before a promotion."""
    version = register(registry)
    [path] = json_of(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"slope": 0.08', b'"slope": 0.09'))
    with pytest.raises(IntegrityError, match=r"CF601 .*Somebody changed the artifact") as fault:
        registry.load(version)
    assert fault.value.exit_code == 4
    with pytest.raises(IntegrityError, match="CF601"):
        promote(registry, version, "unseen")
    with pytest.raises(UsageError, match="CF602"):
        registry.resolve("small", "champion")


def test_a_lost_artifact_is_said(registry: Registry, tmp_path: Path) -> None:
    """A store whose files are gone cannot give the card back."""
    version = register(registry)
    shutil.rmtree(tmp_path / "artifacts")
    with pytest.raises(IntegrityError, match=r"CF601 small candidate-1: expected its scorecard JSON"):
        registry.load(version)


def test_a_lost_text_is_said(registry: Registry) -> None:
    """What was never logged, or is gone, is named: CF601."""
    with pytest.raises(IntegrityError, match=r"CF601 small candidate-1: expected its gates.txt in the artifact store"):
        registry.text(register(registry), "gates.txt")


@pytest.mark.parametrize("name", ["../../evil", "a/b", "/etc/passwd", "a:b", "", "A", "small\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(registry: Registry, tmp_path: Path, name: str) -> None:
    """Before anything is written, in the store or beside it."""
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="CF503 card: expected a name of lower-case letters"):
        registry.register(replace(CARD, name=name), RunRecord(params={}, metrics={}, texts={}, gates_passed=True))
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_cards_do_not_mix(registry: Registry) -> None:
    """Two cards of one store have versions and champions of their own."""
    promote(registry, register(registry), "one")
    assert registry.versions("other") == []
    register(registry, replace(CARD, name="other"))
    assert [version.reference for version in registry.versions("other")] == ["candidate-1"]


def test_the_stored_model_has_no_pickle_anywhere(registry: Registry, tmp_path: Path) -> None:
    """No file of the store is a pickle by its name, its first bytes, or what the model's description asks for."""
    register(registry)
    files = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert {"MLmodel", f"scorecard-{CARD.sha256}.json"} <= {path.name for path in files}
    for path in files:
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".cloudpickle")
        assert not path.read_bytes().startswith(b"\x80")  # a pickle's first opcode since protocol 2
    [description] = [path for path in files if path.name == "MLmodel"]
    assert "loader_module: churnfit.registry" in description.read_text()
    assert "python_model" not in description.read_text()


def test_mlflow_serves_the_cards_numbers_without_unpickling(registry: Registry, tmp_path: Path) -> None:
    """With pickle forbidden, the generic loader predicts the card's health, probability and band."""
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    promote(registry, register(registry), "to serve")
    import mlflow

    model = mlflow.pyfunc.load_model("models:/small@champion")
    found = model.predict(snapshot().drop(columns=["account_id", "as_of", "owner", "arr", "stage_day"]))
    assert found["health"].tolist() == HEALTH
    assert found["churn_probability"].tolist() == CARD.churn_probability(snapshot()).tolist()
    assert found["band"].tolist() == ["green", "red", "red", "green"]


@pytest.mark.parametrize("wrong", [{"logins": "many"}, {"goal": 3.5}])
def test_the_signature_refuses_a_wrong_type(registry: Registry, wrong: dict[str, object]) -> None:
    """Text where the card reads a number, or the reverse, is refused before the card is asked."""
    register(registry)
    import mlflow
    from mlflow.exceptions import MlflowException

    model = mlflow.pyfunc.load_model("models:/small_candidates/1")
    frame = snapshot().assign(**wrong)
    with pytest.raises(MlflowException, match=r"Failed to enforce schema|Incompatible input types"):
        model.predict(frame)


def test_gaps_and_categories_pass_through_coerce() -> None:
    """Numbers become float64, text stays text, gaps stay gaps, absent optional columns stay absent."""
    given = pd.DataFrame(
        {
            "logins": pd.array([10, None, 7], dtype="Int64"),
            "tickets": [2, 0, 1],
            "goal": pd.Categorical(["cost", None, "growth"]),
            "noise": 1,
        },
        index=[5, 6, 7],
    )
    frame = coerce(CARD, given)
    assert frame.columns.tolist() == ["logins", "tickets", "goal"]
    assert frame.index.tolist() == [5, 6, 7]
    np.testing.assert_array_equal(frame["logins"], [10.0, np.nan, 7.0])
    assert frame["tickets"].dtype == np.float64
    assert [None if pd.isna(text) else text for text in frame["goal"]] == ["cost", None, "growth"]
    # 50 + 30 + 20; expected 20 + 0 + expected 10; 35 + 30 + 0
    assert CARD.health(frame).tolist() == [100.0, 30.0, 65.0]


def test_the_contract_names_every_column_the_card_reads() -> None:
    """Measures are required, states and the segment are not; categories are strings."""
    columns = input_columns(CARD)
    assert [name for name, (_, needed) in columns.items() if needed] == ["logins", "tickets", "goal"]
    assert {name for name, (kind, _) in columns.items() if kind == "double"} == {"logins", "tickets"}
