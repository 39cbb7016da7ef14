"""Where a workspace is found, and what its file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from churnfit.errors import SpecError, UsageError
from churnfit.jobs.workspace import find_workspace


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget settings of the machine the tests run on."""
    for name in ("CHURNFIT_DATABASE", "CHURNFIT_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def made(root: Path, text: str) -> Path:
    """Write churnfit.toml and return its folder."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "churnfit.toml").write_text(text, encoding="utf-8")
    return root


ONE = '[cards]\nsmall = "models/small.toml"\n'


def test_a_workspace_is_found_from_any_folder_below(tmp_path: Path) -> None:
    """The nearest churnfit.toml above wins; paths are seen from its folder."""
    outer, inner = made(tmp_path / "outer", ONE), made(tmp_path / "outer" / "inner", ONE)
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    assert find_workspace(outer).root == outer
    assert find_workspace(deep).root == inner
    workspace = find_workspace(deep)
    assert workspace.cards == {"small": inner / "models" / "small.toml"}
    assert workspace.database == f"sqlite:///{inner / '.churnfit' / 'churnfit.db'}"
    assert workspace.tracking_uri == f"sqlite:///{inner / '.churnfit' / 'mlflow.db'}"
    assert workspace.scores == inner / ".churnfit" / "scores"


def test_no_workspace_is_said(tmp_path: Path) -> None:
    """Nowhere from here to the root: CF501, and what would make one."""
    with pytest.raises(SpecError, match=r"CF501 .*expected churnfit.toml here or above; came none. `churnfit init`"):
        find_workspace(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'databse = "x"\n{ONE}', r"CF503 .*unknown key 'databse'; nearest valid name: 'database'"),
        ("", r"CF503 .*cards: Field required"),
        ("[cards", r"CF502 .*expected TOML in UTF-8"),
        (f"folder = 3\n{ONE}", r"CF503 .*folder: "),
        (f'database = "env:NO_SUCH_NAME"\n{ONE}', r"CF507 .*a secret in env:NO_SUCH_NAME; came nothing there"),
        (
            f'database = "sqlite:///a.db"\ntracking_uri = "sqlite:///a.db"\n{ONE}',
            r"CF508 .*database of its own for MLflow; came one for both",
        ),
        (f"{ONE}[promotion]\nsecondperson = true\n", r"CF503 .*promotion.*nearest valid name: 'second_person'"),
        (f'tracking_uri = "file:nowhere.txt"\n{ONE}', r"CF507 .*a secret in file:nowhere.txt"),
    ],
)
def test_a_wrong_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    """Unknown keys with the nearest one, missing parts, no TOML, secrets that are not there."""
    with pytest.raises(SpecError, match=message) as fault:
        find_workspace(made(tmp_path, text))
    assert fault.value.exit_code == 2


def test_a_second_person_is_demanded_where_the_file_says_so(tmp_path: Path) -> None:
    """Off, until `[promotion] second_person = true`."""
    assert find_workspace(made(tmp_path / "off", ONE)).second_person is False
    assert find_workspace(made(tmp_path / "on", f"{ONE}[promotion]\nsecond_person = true\n")).second_person is True


def test_secrets_come_from_the_environment_or_a_file_of_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value is what the name holds, wherever the command is run."""
    monkeypatch.setenv("DATABASE_SECRET", "sqlite:///elsewhere.db")
    root = made(tmp_path / "w", f'database = "env:DATABASE_SECRET"\ntracking_uri = "file:mlflow.secret"\n{ONE}')
    (root / "mlflow.secret").write_text("http://127.0.0.1:5000\n")
    (root / "below").mkdir()
    monkeypatch.chdir(root / "below")
    workspace = find_workspace(root / "below")
    assert (workspace.database, workspace.tracking_uri) == (
        f"sqlite:///{tmp_path}/w/elsewhere.db",
        "http://127.0.0.1:5000",
    )


def test_an_empty_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, as one that is not there."""
    monkeypatch.setenv("DATABASE_SECRET", "")
    with pytest.raises(SpecError, match=r"CF507 .*env:DATABASE_SECRET"):
        find_workspace(made(tmp_path, f'database = "env:DATABASE_SECRET"\n{ONE}'))


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CHURNFIT_DATABASE and CHURNFIT_TRACKING_URI win over what is written."""
    monkeypatch.setenv("CHURNFIT_DATABASE", "sqlite:///of-the-environment.db")
    monkeypatch.setenv("CHURNFIT_TRACKING_URI", "http://127.0.0.1:1")
    workspace = find_workspace(made(tmp_path, f'database = "sqlite:///of-the-file.db"\n{ONE}'))
    assert (workspace.database, workspace.tracking_uri) == (
        f"sqlite:///{tmp_path}/of-the-environment.db",
        "http://127.0.0.1:1",
    )


def test_a_command_means_the_only_card_or_the_given_one(tmp_path: Path) -> None:
    """With one card none need be named; with several one must be, and it must exist."""
    assert find_workspace(made(tmp_path / "one", ONE)).card_name(None) == "small"
    two = find_workspace(made(tmp_path / "two", f'{ONE}large = "large.toml"\n'))
    assert two.card_name("large") == "large"
    with pytest.raises(UsageError, match=r"CF703 .*several cards; came no --card. Give one of large, small"):
        two.card_name(None)
    with pytest.raises(UsageError, match=r"CF504 .*came 'smal'. .*nearest valid name: 'small'"):
        two.card_name("smal")


def test_a_card_whose_spec_is_not_there_is_said(tmp_path: Path) -> None:
    """churnfit.toml names a file that is missing."""
    with pytest.raises(SpecError, match=r"CF401 .*small.toml: expected a TOML file; came no file"):
        find_workspace(made(tmp_path, ONE)).spec("small")
