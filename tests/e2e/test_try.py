"""`--try`: a change is built and its `spec` run before anything is written, base image after base image."""

import subprocess
from pathlib import Path

import pytest
import yaml

from airbyte_ci.oci.store.store import Store
from tests.campaigns.repositories import snapshot
from tests.e2e.command import GIT
from tests.e2e.conftest import Base
from tests.e2e.tiny import NAME, Tiny, derived

pytestmark = pytest.mark.slow
REPOSITORY = "localhost/acme/derived-base"
MIGRATE = ("connectors", f"--name={NAME}", "migrate_to_base_image", "--no-changelog", "--try")
# As an old framework on a new Python: the older base image is the one that it works on.
MAIN = """import os
if {condition}:
    raise ValueError("mutable default <class 'dict'> for field x is not allowed")
import json, tinydep, source_tiny.answer
print(json.dumps({{"type": "SPEC", "spec": {{"connectionSpecification": {{}}}}}}))
"""


@pytest.fixture
def fleet(tiny: Tiny, base: Base, store: Store) -> Tiny:
    """One connector with a Dockerfile, and three base images that run as nobody, as games and as root."""
    folder = tiny.connector()
    (folder / "source_tiny/answer.py").touch()
    (folder / "metadata.yaml").write_text("data:\n  dockerRepository: acme/source-tiny\n  dockerImageTag: 1.0.0\n")
    (folder / "Dockerfile").write_text(
        "FROM python:3.11-slim\nWORKDIR /airbyte/integration_code\nCOPY . .\nRUN pip install .\n"
        'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]\n'
    )
    users = {"3.0.0": "nobody", "2.0.0": "games", "1.0.0": "root"}
    addresses = {version: derived(store, base.address, tag=version, user=user) for version, user in users.items()}
    entries = [
        {"version": version, "address": addresses[version], "python": "3.11", "user": user}
        for version, user in users.items()
    ]
    (tiny.folder / "base-images.yaml").write_text(yaml.safe_dump({REPOSITORY: entries}))
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write(f'base-image-repositories = ["{REPOSITORY}"]\n')
    return tiny


def start(tiny: Tiny, condition: str) -> dict[str, bytes]:
    """Has the connector fail under a condition; the files as they are before anything is tried."""
    (tiny.connector() / "main.py").write_text(MAIN.format(condition=condition))
    subprocess.run([*GIT, "add", "-A"], cwd=tiny.folder, check=True)
    subprocess.run([*GIT, "commit", "-qm", "work"], cwd=tiny.folder, check=True)
    return snapshot(tiny.folder)


def base_of(folder: Path) -> str:
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())["data"]
    return str(metadata["connectorBuildOptions"]["baseImage"]).partition("@")[0]


def test_the_newest_that_answers_is_taken(fleet: Tiny) -> None:
    """The newest base image on which `spec` is answered is written; the newer ones are named with the reason."""
    start(fleet, "os.getuid() == 65534")
    done = fleet.run(*MIGRATE)
    assert done.code == 0, done.out + done.err
    assert base_of(fleet.connector()) == f"{REPOSITORY}:2.0.0"
    assert "3.0.0 (Python 3.11; the connector fails spec on it: ValueError: mutable default" in done.out
    assert not (fleet.connector() / "Dockerfile").exists()
    assert fleet.build().code == 0


def test_nothing_is_written_where_none_answers(fleet: Tiny) -> None:
    """A connector that answers on no base image stays as it is, and each attempt is named."""
    before = start(fleet, "True")
    done = fleet.run(*MIGRATE)
    assert done.code == 1
    assert snapshot(fleet.folder) == before
    assert all(f"{version} (Python 3.11;" in done.out for version in ("3.0.0", "2.0.0", "1.0.0")), done.out


def test_an_upgrade_is_tried(fleet: Tiny) -> None:
    """The same for an upgrade: the newest is skipped, and one that is requested by name is refused."""
    start(fleet, "os.getuid() == 65534")
    assert fleet.run(*MIGRATE, "--to=1.0.0").code == 0
    upgrade = ("connectors", f"--name={NAME}", "upgrade_base_image", "--no-changelog", "--try")
    before = snapshot(fleet.folder)
    refused = fleet.run(*upgrade, "--to=3.0.0")
    assert (refused.code, snapshot(fleet.folder)) == (1, before)
    dry = fleet.run(*upgrade, "--to=latest", "--dry-run")
    assert (dry.code, snapshot(fleet.folder)) == (0, before)
    assert f"{REPOSITORY}:2.0.0" in dry.out
    done = fleet.run(*upgrade, "--to=latest")
    assert (done.code, base_of(fleet.connector())) == (0, f"{REPOSITORY}:2.0.0"), done.out


def test_what_no_base_image_can_help_is_no_reason_to_go_on(fleet: Tiny) -> None:
    """A base image that cannot be had is an error of its own: the others are not tried in its place."""
    before = start(fleet, "False")
    catalog = fleet.folder / "base-images.yaml"
    entries = yaml.safe_load(catalog.read_text())
    entries[REPOSITORY][0]["address"] = f"{REPOSITORY}:3.0.0@sha256:{'0' * 64}"
    catalog.write_text(yaml.safe_dump(entries))
    before = snapshot(fleet.folder)
    done = fleet.run("--offline", *MIGRATE)
    assert (done.code, snapshot(fleet.folder)) == (1, before)
    assert f"cannot try {NAME}" in done.out


def test_a_build_on_another_python_says_so(fleet: Tiny) -> None:
    """If a build fails on a base image with another Python than the metadata's, both are named."""
    start(fleet, "os.getuid() == 65534")
    assert fleet.run(*MIGRATE, "--to=1.0.0").code == 0
    catalog = fleet.folder / "base-images.yaml"
    entries = yaml.safe_load(catalog.read_text())
    entries[REPOSITORY][0]["python"] = "3.12"
    catalog.write_text(yaml.safe_dump(entries))
    failed = fleet.build(f"--base-image={entries[REPOSITORY][0]['address']}")
    assert failed.code == 1
    assert "it was built on Python 3.12; the base image in metadata.yaml has Python 3.11" in failed.out
