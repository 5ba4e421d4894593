"""Merged migrations that are repeated: equal, different and refused ones are reported as such."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.repositories import CONNECTORS, commit, copied, git
from tests.e2e.command import PROJECT, airbyte_ci
from tests.oracles import history

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A bare clone of the example fleet, whose last commits migrated two of its connectors and changed a third."""
    root = copied("fleet", tmp_path / "fleet")
    for name in ("source-tides", "destination-jsonl-archive"):
        arguments = ("connectors", f"--name={name}", "migrate_to_base_image", "12", "--to", "1.1.0")
        done = airbyte_ci(*arguments, cwd=root, home=tmp_path / "home")
        assert done.code == 0, done.out + done.err
    metadata = root / CONNECTORS / "destination-jsonl-archive/metadata.yaml"
    # What people did by hand: another version, and a key that is of no migration.
    text = metadata.read_text().replace("dockerImageTag: 0.1.8", "dockerImageTag: 0.2.0")
    assert "0.2.0" in text
    metadata.write_text(text.replace("supportLevel: community", "supportLevel: certified"))
    commit(root)
    other = root / CONNECTORS / "source-parcels/metadata.yaml"
    other.write_text(f"{other.read_text()}# x\n")
    commit(root)
    git(root, "clone", "-q", "--bare", ".", str(tmp_path / "clone.git"))
    return tmp_path / "clone.git"


def test_what_was_merged_is_compared_by_its_meaning(clone: Path) -> None:
    """Equal where only we migrated, different with both values where people did otherwise, refused with the reason."""
    merged = list(history.replay(clone, "HEAD~", "1.1.0"))
    assert [(item.connector, item.ending) for item in merged] == [
        ("destination-jsonl-archive", "different"),
        ("source-tides", "equal"),
    ]
    assert merged[0].told == (
        "data.dockerImageTag: '0.1.8', merged was '0.2.0'",
        "data.supportLevel: 'community', merged was 'certified'",
    )
    (refused,) = history.replay(clone, "HEAD", "1.1.0")
    assert (refused.connector, refused.ending) == ("source-parcels", "refused")
    assert refused.classes[0].startswith("migrating …: base image 1.1.0 has Python 3.9.18")


def test_the_program_tells_each_connector_and_the_classes(clone: Path) -> None:
    """As `make history` runs it."""
    command = [sys.executable, "-m", "tests.oracles.history", str(clone), "HEAD~", "HEAD"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert "3 connectors: 1 different, 1 equal, 1 refused" in told
    assert "  1 × data.supportLevel" in told
