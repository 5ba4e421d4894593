"""The package itself: what is built installs anywhere and carries what it needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    """`pip install` of the wheel gives a command that lists the fleet and knows the published base images."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    pip = [str(tmp_path / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
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
