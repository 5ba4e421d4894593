"""The real fleet of October 2023, for the tests in `test_real_fleet.py`."""

import tarfile

import pytest

from tests.connectors import fleets


@pytest.fixture(scope="session")
def fleet() -> dict[str, str]:
    """Every file of the fleet, by its path in the monorepo."""
    return _texts("fleet-2023-10.tar.xz")


@pytest.fixture(scope="session")
def pyprojects() -> dict[str, str]:
    """pyproject.toml of 62 connectors of June 2024, by its path in their archive."""
    return {path: text for path, text in _texts("locks-2024-06.tar.xz").items() if path.endswith("pyproject.toml")}


@pytest.fixture(scope="session")
def python_connectors(fleet: dict[str, str]) -> dict[str, str]:
    """metadata.yaml of each Python and low-code connector, by the connector's folder."""
    table = [line.split("\t") for line in fleets.real("fleet-2023-10.tsv").read_text().splitlines()[1:]]
    folders = [folder for folder, language, *_ in table if language in ("python", "low-code")]
    return {folder: fleet[f"{folder}/metadata.yaml"] for folder in folders}


@pytest.fixture(scope="session")
def pages(fleet: dict[str, str]) -> dict[str, str]:
    """The connectors' documentation pages (not the in-app texts and migration guides)."""
    aside = (".inapp.md", "-migrations.md")
    return {path: text for path, text in fleet.items() if path.startswith("docs/") and not path.endswith(aside)}


def _texts(archive: str) -> dict[str, str]:
    with tarfile.open(fleets.real(archive)) as tar:
        files = [(member.name.removeprefix("./"), tar.extractfile(member)) for member in tar if member.isfile()]
        return {name: file.read().decode() for name, file in files if file is not None}
