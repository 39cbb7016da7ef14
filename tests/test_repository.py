"""The papers are tested too: README, folder tree, lock, templates, public names."""

import importlib
import json
import pkgutil
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import churnfit

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    m.name for m in pkgutil.walk_packages(churnfit.__path__, "churnfit.") if not m.name.endswith("__main__")
)
LONGEST_MODULE = 400  # lines; over 300 look for the second idea


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_package_stands_in_the_readme_and_every_place_it_names_exists() -> None:
    """The README's tree is the real tree."""
    tree = text("README.md").split("## Where things are")[1]
    packages = {path.parent.name for path in (ROOT / "src" / "churnfit").glob("*/__init__.py")}
    assert packages == {name for name in packages if re.search(rf"\b{name}/", tree)}
    for name in re.findall(r"^    (\w+)/ ", tree, flags=re.MULTILINE):
        assert (ROOT / name).is_dir(), name
    for line in re.findall(r"^      (\w+)/ +([\w ·]+?)(?:  |$)", tree, flags=re.MULTILINE):
        package, names = line[0], line[1].split(" · ")
        for name in names if len(names) > 1 else []:
            places = [ROOT / "src" / "churnfit" / package / f"{name}{end}" for end in (".py", "")]
            assert any(place.exists() for place in places), f"{package}/{name}"


@pytest.mark.parametrize("module", MODULES)
def test_the_public_names_of_every_module_can_be_imported(module: str) -> None:
    """`__all__` names what is there, once each, in a documented module of bearable length."""
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(loaded, name)] == []
    assert loaded.__doc__
    assert len(Path(str(loaded.__file__)).read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_no_module_is_named_after_nothing() -> None:
    """A helper lives with its only caller or becomes a named module."""
    assert [
        m for m in MODULES if m.rsplit(".", 1)[1] in {"utils", "helpers", "common", "misc", "base", "manager"}
    ] == []


def test_init_writes_the_specs_of_the_repository() -> None:
    """models/onboarding and models/dear are what `churnfit init` writes, byte for byte."""
    for name in ("onboarding", "dear"):
        shipped = files("churnfit").joinpath("templates", f"{name}.toml").read_text(encoding="utf-8")
        assert shipped == text(f"models/{name}/scorecard.toml")


def test_every_dependency_has_a_lower_bound_and_a_reason() -> None:
    """Each package of pyproject.toml has `>=` and stands in CONTRIBUTING's table."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    table = text("CONTRIBUTING.md").split("## Dependencies")[1]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for line in [*project["dependencies"], *extras]:
        need = Requirement(line)
        assert any(part.operator == ">=" for part in need.specifier), line
        assert re.search(rf"\b{re.escape(need.name)}\b", table), f"{need.name} has no reason in CONTRIBUTING.md"


def locked() -> dict[str, Version]:
    """Return the pins of requirements.lock that apply to this machine."""
    pins = {}
    for line in text("requirements.lock").splitlines():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate():
            [pin] = need.specifier
            assert pin.operator == "==", line
            pins[canonicalize_name(need.name)] = Version(pin.version)
    return pins


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> list[Requirement]:
    """Return every requirement below a distribution, on this machine."""
    if (name, extras) in seen:
        return []
    seen.add((name, extras))
    found = []
    for line in distribution(name).requires or []:
        need = Requirement(line)
        environments = [{**default_environment(), "extra": extra} for extra in extras or {""}]
        if need.marker is None or any(need.marker.evaluate(environment) for environment in environments):
            found += [need, *needed(canonicalize_name(need.name), frozenset(need.extras), seen)]
    return found


def test_the_lock_satisfies_every_requirement_and_is_what_is_installed() -> None:
    """requirements.lock pins all that churnfit[dev] needs here, within every bound, and pip installed just that."""
    try:
        requirements = needed("churnfit", frozenset({"", "dev"}), set())
    except PackageNotFoundError:
        pytest.skip("churnfit[dev] is not installed; `make check` installs it")
    pins = locked()
    for need in requirements:
        name = canonicalize_name(need.name)
        assert name in pins, f"{name} is not in requirements.lock: run `make lock`"
        assert need.specifier.contains(pins[name], prereleases=True), f"{need} against {pins[name]}: run `make lock`"
        assert Version(distribution(name).version) == pins[name], f"{name} is not installed from the lock"


def test_the_repository_holds_no_data() -> None:
    """Tables and databases are made, or lie in ../shared/data; what a command left behind is no part of it."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: nothing says which files belong to the repository")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    endings = (".parquet", ".csv", ".jsonl", ".db", ".pkl", ".png")
    assert [name for name in listed.splitlines() if name.endswith(endings)] == []


def test_the_lock_names_no_host() -> None:
    """requirements.lock works with any package index."""
    assert "://" not in text("requirements.lock")


def test_notebooks_explain_and_compute_nothing_new() -> None:
    """No cell defines a function or a class."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert not re.search(r"^\s*(def|class) ", "".join(cell["source"]), flags=re.MULTILINE)
