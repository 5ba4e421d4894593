"""The migration of a real fleet: what it changes in 292 connectors and their pages, and nothing else.

Its Dockerfiles are not in the data: each connector that had one gets one of the usual shape.
"""

import re
import tarfile
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import yaml
from semver import Version

from airbyte_ci import config
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.changes import baseline
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.task import RequestedEntry, Task
from airbyte_ci.campaigns.migrations.migrate_to_base_image import MIGRATION, MigrateOptions
from airbyte_ci.campaigns.migrations.migration import plan_change
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError
from tests.campaigns.repositories import git
from tests.connectors import fleets

pytestmark = pytest.mark.slow
Ended = tuple[dict[str, Change], dict[str, str]]

DOCKERFILE = """\
FROM python:3.9.11-alpine3.15 as base
WORKDIR /airbyte/integration_code
RUN apk --no-cache add bash
COPY setup.py ./
RUN pip install .
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
LABEL io.airbyte.version={version}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet")
    with tarfile.open(fleets.real("fleet-2023-10.tar.xz")) as archive:
        archive.extractall(root, filter="data")
    for line in fleets.real("fleet-2023-10.tsv").read_text().splitlines()[1:]:
        folder, language, *files = line.split("\t")
        for name in files[0].split() if files else ():
            place = root / folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if name.startswith("src/main") else place.touch()
        if language in ("python", "low-code"):
            # Only names are in the data: of a package, nothing.
            (root / folder / Path(folder).name.replace("-", "_")).mkdir(exist_ok=True)
        if language in ("python", "low-code") and (root / folder / "Dockerfile").exists():
            tag = yaml.safe_load((root / folder / "metadata.yaml").read_text())["data"]["dockerImageTag"]
            (root / folder / "Dockerfile").write_text(DOCKERFILE.format(version=tag))
    git(root, "init", "-q", "-b", "master")
    git(root, "remote", "add", "origin", "https://github.com/airbytehq/airbyte.git")
    git(root, "add", "-Af")
    git(root, "commit", "-qm", "fleet")
    return root


@pytest.fixture(scope="module")
def migrated(fleet: Path) -> Ended:
    """The first run over all of it."""
    return planned(fleet, list(find.find(config.find(fleet))[0]))


def planned(root: Path, connectors: list[Connector]) -> Ended:
    """Plans each connector in order; returns the changes and the refusals."""
    configuration = config.find(root)
    known = baseline.of(connectors, configuration, doomed=MIGRATION.deletes)
    entry = RequestedEntry(31543, "Base image migration", date(2023, 10, 18))
    files, shipped = Files(root), catalog.shipped()
    changes, refusals = {}, {}
    for connector in connectors:
        try:
            task = Task(
                connector=connector,
                configuration=configuration,
                files=files,
                baseline=known,
                entry=entry,
                catalog=shipped,
            )
            change = plan_change(MIGRATION, task, MigrateOptions())
        except AirbyteCiError as error:
            refusals[connector.name] = error.message
        else:
            change.edit.apply(root)
            changes[connector.name] = change
    return changes, refusals


def test_the_whole_fleet(migrated: Ended) -> None:
    """Two lines come to metadata.yaml and the version lines change; every page gets its row; nothing else changes."""
    changes, refusals = migrated
    assert len(changes) == 285
    reasons = Counter(
        next(
            (
                word
                for word in ("not a Python", "migrated already", "no documentation", "already, for")
                if word in reason
            ),
            reason,
        )
        for reason in refusals.values()
    )
    assert reasons == {"not a Python": 81, "migrated already": 4, "no documentation": 1, "already, for": 2}
    for name, change in changes.items():
        for item in change.edit.changes:
            if item.after is None or item.before is None:
                assert item.path.endswith(("/Dockerfile", "/build.gradle", "/.dockerignore")), item.path
                continue
            assert item.before.endswith(b"\n") == item.after.endswith(b"\n"), item.path
            old, new = item.before.decode().split("\n"), item.after.decode().split("\n")
            if item.path.endswith("metadata.yaml"):
                assert len(new) - len(old) == 2, name
                kept = [line for line in new if "baseImage:" not in line and "connectorBuildOptions:" not in line]
                differ = [line for line, other in zip(old, kept, strict=True) if line != other]
                assert all("dockerImageTag:" in line for line in differ), name
            elif item.path.startswith("docs/"):
                assert_one_row_more(old, new, change.after, name)
            else:
                assert item.path.endswith("/README.md"), item.path


def assert_one_row_more(old: list[str], new: list[str], version: str, name: str) -> None:
    """The row of that version, directly next to the previously newest one, and no other byte."""
    at = next(number for number, line in enumerate(new) if number == len(old) or line != old[number])
    assert new[:at] + new[at + 1 :] == old, name
    # The number has the form of the rows next to it: a link, a bare address, or the number alone.
    assert (version_of(new[at]), bool(re.search(r"\b31543\b", new[at]))) == (version, True), name
    newest = max((found for line in old if (found := version_of(line))), key=Version.parse)
    # Rules and blank lines aside: above the newest, with no row before it, or below the newest, with none behind it.
    above = next((line for line in reversed(new[:at]) if line.strip("-:*| ")), "")
    below = next((line for line in new[at + 1 :] if line.strip("-:*| ")), "")
    assert (version_of(above), version_of(below)) in ((None, newest), (newest, None)), name


def version_of(line: str) -> str | None:
    found = re.match(r"\s*\|?\s*`?(\d+\.\d+\.\d+[\w.+-]*)`?\s*\|", line)
    return found[1] if found else None


@pytest.mark.usefixtures("migrated")
def test_a_second_run_changes_nothing(fleet: Path) -> None:
    """No connector is migrated twice."""
    changes, refusals = planned(fleet, list(find.find(config.find(fleet))[0]))
    assert (changes, len(refusals)) == ({}, 373)
