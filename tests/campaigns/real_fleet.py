"""The migration of a real fleet: what it changes in 292 connectors and their pages, and nothing else.

Run by name: `AIRBYTE_CI_FLEET=FOLDER pytest tests/campaigns/real_fleet.py`. Its Dockerfiles are not in the data: each
connector that had one gets one of the usual shape.
"""

import os
import tarfile
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import yaml

from airbyte_ci import config
from airbyte_ci.base_images import catalogue
from airbyte_ci.campaigns import baseline, migrate
from airbyte_ci.campaigns.change import Change
from airbyte_ci.campaigns.release import Entry
from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import AirbyteCiError
from tests.campaigns.repositories import git

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
    data = Path(os.environ["AIRBYTE_CI_FLEET"])
    with tarfile.open(data / "fleet-2023-10.tar.xz") as archive:
        archive.extractall(root, filter="data")
    for line in (data / "fleet-2023-10.tsv").read_text().splitlines()[1:]:
        folder, language, *files = line.split("\t")
        for name in files[0].split() if files else ():
            place = root / folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(exist_ok=True) if name.startswith("src/main") else place.touch()
        if language in ("python", "low-code") and (root / folder / "Dockerfile").exists():
            tag = yaml.safe_load((root / folder / "metadata.yaml").read_text())["data"]["dockerImageTag"]
            (root / folder / "Dockerfile").write_text(DOCKERFILE.format(version=tag))
    git(root, "init", "-q", "-b", "master")
    git(root, "remote", "add", "origin", "https://github.com/airbytehq/airbyte.git")
    git(root, "add", "-Af")
    git(root, "commit", "-qm", "fleet")
    return root


def planned(root: Path, connectors: list[Connector]) -> tuple[dict[str, Change], dict[str, str]]:
    """What is done to each, one after the other, and why not."""
    configuration = config.find(root)
    known = baseline.of(connectors, configuration, doomed=migrate.DOOMED)
    entry = Entry(31543, "Base image migration", date(2023, 10, 18))
    files, shipped = Files(root), catalogue.shipped()
    changes, refusals = {}, {}
    for connector in connectors:
        try:
            change = migrate.plan(connector, configuration, shipped, files, known, entry)
        except AirbyteCiError as error:
            refusals[connector.name] = error.message
        else:
            change.edit.apply(root)
            changes[connector.name] = change
    return changes, refusals


def test_the_whole_fleet(fleet: Path) -> None:
    """Two lines come to metadata.yaml and the version lines change; every page gets its row; nothing else changes."""
    connectors = list(find.find(config.find(fleet))[0])
    changes, refusals = planned(fleet, connectors)
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
                assert len(new) - len(old) == 1, name
            else:
                assert item.path.endswith("/README.md"), item.path


def test_a_second_run_changes_nothing(fleet: Path) -> None:
    """Nobody is migrated twice."""
    changes, refusals = planned(fleet, list(find.find(config.find(fleet))[0]))
    assert (changes, len(refusals)) == ({}, 373)
