"""The package itself: what is built installs anywhere and carries what it needs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.e2e.conftest import PROJECT, Result, airbyte_ci

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network by the build back end that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(PROJECT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_installs_into_an_empty_environment_and_works(wheel: Path, tmp_path: Path, fleet: Path) -> None:
    """The installed wheel gives a command that lists the fleet and knows the published base images."""
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    install = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(tmp_path / "venv")]
    subprocess.run([*install, str(wheel)], check=True)
    command = str(tmp_path / "venv/bin/airbyte-ci")
    for arguments, expected in ((["connectors", "list"], "source-parcels"), (["base-images", "list"], "1.2.3")):
        shown = subprocess.run([command, *arguments], cwd=fleet, capture_output=True, text=True, check=True).stdout
        assert expected in shown


def test_the_wheel_carries_its_data(wheel: Path) -> None:
    """The catalog, the declaration and the pinned build requirements are inside."""
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "airbyte_ci/base_images/catalog/catalog.yaml",
        "airbyte_ci/base_images/declarations/python-connector-base.yaml",
        "airbyte_ci/base_images/declarations/python-connector-base.txt",
        "airbyte_ci/images/schemas/build-plan.json",
        "airbyte_ci/python/sources/build-requirements.txt",
        "airbyte_ci/py.typed",
    ):
        assert name in names


def test_the_wheel_has_the_same_bytes_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """Neither the folder's path nor the times and permissions of its files change the wheel."""
    copy = tmp_path / "copy"
    shutil.copytree(PROJECT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "airbyte-ci.cdx.json", "scripts"):
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile)(PROJECT / name, copy / name)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=copy, check=True)
    assert (out / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_wheel_describes_its_dependencies(wheel: Path) -> None:
    """The SBOM in the wheel (PEP 770) has each declared dependency at its locked version."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if ".dist-info/sboms/" in name)
        document = json.loads(archive.read(name))
    versions = {item["name"]: item["version"] for item in document["components"]}
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w-]+", item)[0] for item in declared}  # type: ignore[index]  # each requirement begins with a name
    assert names <= versions.keys()
    assert {name: versions[name] for name in names} == {name: metadata.version(name) for name in names}
    assert not {"pytest", "ruff", "mypy", "hatchling"} & versions.keys()


def test_the_bill_of_materials_is_current() -> None:
    """airbyte-ci.cdx.json is generated from the lock and the version."""
    script = "import sys; sys.path.insert(0, 'scripts'); import sbom; sys.stdout.write(sbom.sbom())"
    made = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert (PROJECT / "airbyte-ci.cdx.json").read_text() == made.stdout, "run `make reference`"


def test_the_readme_of_the_package_has_absolute_links(wheel: Path) -> None:
    """A package index shows the README without the repository's files, so every link is absolute."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    links = re.findall(r"\]\(([^)]+)\)|src(?:set)?=\"([^\"]+)\"", text)
    assert links
    assert [link for pair in links for link in pair if link and not link.startswith(("https://", "#"))] == []


def test_locks_name_no_index() -> None:
    """The locked requirements install from any index: they have hashes, and no address."""
    for path in PROJECT.glob("requirements*.txt"):
        assert "://" not in path.read_text(), path.name


def test_version_imports_next_to_nothing() -> None:
    """`--version` answers without YAML, HTTP or the commands."""
    script = (
        "import sys; from airbyte_ci.cli.main import run; code = run(['--version']); "
        "heavy = {'yaml', 'requests', 'packaging', 'simpleeval', 'asyncio', 'airbyte_ci.cli.connectors.group'}; "
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["connectors"],
        ["connectors", "list"],
        ["connectors", "migrate_to_base_image"],
        ["connectors", "migrate-to-base-image"],
        ["connectors", "build"],
        ["connectors", "run"],
        ["connectors", "environment"],
        ["store", "stats"],
        ["store", "check"],
        ["store", "gc"],
        ["base-images"],
        ["base_images", "list"],
        ["base-images", "build"],
    ],
    ids=" ".join,
)
def test_every_command_has_help(arguments: list[str], tmp_path: Path) -> None:
    """Both spellings answer --help, outside of any repository."""
    result: Result = airbyte_ci(*arguments, "--help", cwd=tmp_path, home=tmp_path / "home")
    assert (result.code, "Usage: airbyte-ci" in result.out) == (0, True)


def test_the_single_connector_repository_needs_no_name(tmp_path: Path) -> None:
    """In a repository of one connector with its own layout, that connector is meant."""
    listed = airbyte_ci(
        "connectors", "list", "--format=names", cwd=PROJECT / "examples/single-connector", home=tmp_path
    )
    assert listed.out == "source-lighthouse\n"
