"""Base images of several repositories with the same last name, in one repository of connectors."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Base, airbyte_ci

pytestmark = pytest.mark.slow


def test_two_images_with_one_last_name_keep_their_records(fleet: Path, base: Base, registry: str, home: Path) -> None:
    """Releasing and publishing the second changes nothing of the first; a version of both needs its full name."""
    declaration = fleet / "base-images" / "acme.yaml"
    text = declaration.read_text().replace("localhost:5000", registry)
    declaration.write_text(text)
    assert airbyte_ci("base-images", "release", str(declaration), cwd=fleet, home=home).code == 0
    records = {path: path.read_bytes() for path in (fleet / "base-images").glob("python-*")}
    assert len(records) == 3
    declaration.write_text(text.replace("/acme/", "/fam/").replace("[linux/amd64]", "[linux/amd64, linux/arm64]"))
    assert airbyte_ci("base-images", "release", str(declaration), cwd=fleet, home=home).code == 1
    (lock,) = (fleet / "base-images").rglob(f"{registry.replace(':', '-')}/fam/*-1.0.0-rc.1.lock.json")
    assert json.loads(lock.read_text())["declaration"]["repository"] == f"{registry}/fam/python-connector-base"
    ambiguous = airbyte_ci("base-images", "publish", "1.0.0-rc.1", cwd=fleet, home=home)
    assert ambiguous.code == 2
    assert "is ambiguous: 2 base images match" in ambiguous.err
    first = airbyte_ci("base-images", "publish", "acme/python-connector-base:1.0.0-rc.1", cwd=fleet, home=home)
    assert first.code == 0, first.err
    second = airbyte_ci("base-images", "publish", "fam/python-connector-base:1.0.0-rc.1", cwd=fleet, home=home)
    assert second.code == 1
    assert "linux/arm64 is missing" in second.err
    declaration.write_text(text.replace("/acme/", "/fam/"))
    assert airbyte_ci("base-images", "release", str(declaration), cwd=fleet, home=home).code == 0
    assert {path: path.read_bytes() for path in records} == records
    assert len([*lock.parent.iterdir()]) == 3
