"""Versions on a root that is an image: the root is kept with them, and named if it is gone."""

import json
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from tests.e2e.conftest import Base, Result, airbyte_ci, make_fleet

pytestmark = pytest.mark.slow
LOCK = "base-images/on-root-1.0.0.lock.json"


@dataclass(frozen=True)
class Released:
    """A version that was released and not published, and whose root its registry no longer has."""

    fleet: Path
    home: Path
    declaration: Path
    root: str
    address: str


@pytest.fixture(scope="module")
def released(base: Base, registry: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("roots")
    fleet = make_fleet(folder / "fleet")
    pushed = Reference.parse(base.address).digest
    assert pushed is not None
    target = Reference.parse(f"{registry}/upstream/root:1.0.0")
    with client_of_user(RegistryOptions()) as client:
        root = str(target.with_digest(client.push(Store(home), pushed, target).digest))
    document = {
        "repository": f"{registry}/acme/on-root",
        "version": "1.0.0",
        "changelog": "a note",
        "platforms": ["linux/amd64"],
        "root": {"image": root},
        "steps": [{"exec": ["sh", "-c", "date > /etc/acme"]}],
    }
    declaration = folder / "on-root.yaml"
    declaration.write_text(yaml.safe_dump(document))
    made = airbyte_ci("base-images", "release", str(declaration), "--json", cwd=fleet, home=folder / "home")
    assert made.code == 0, made.err
    part = json.loads((fleet / LOCK).read_text())["platforms"]["linux/amd64"]
    for digest in (str(pushed), part["root"]["manifest"]):
        url = f"http://{registry}/v2/upstream/root/manifests/{digest}"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()
    return Released(fleet, folder / "home", declaration, root, made.json["address"])


def _build(released: Released, what: str | Path, home: Path, *options: str) -> Result:
    return airbyte_ci(*options, "base-images", "build", str(what), "--json", cwd=released.fleet, home=home)


def _copy_store(home: Path, place: Path) -> None:
    """All but what was unpacked, which is made again."""
    shutil.copytree(home, place, ignore=shutil.ignore_patterns("snapshots"))


def test_a_collection_leaves_the_root_of_a_released_version(released: Released, tmp_path: Path) -> None:
    """Its layers, manifest and configuration are there after it, so the version is built again without a network."""
    home = tmp_path / "home"
    _copy_store(released.home, home)
    collected = airbyte_ci("store", "gc", "--max-size", "0MB", cwd=released.fleet, home=home)
    assert collected.code == 0, collected.err
    again = _build(released, LOCK, home, "--offline")
    assert again.code == 0, again.err
    assert again.json["address"] == released.address


def test_a_root_that_is_gone_is_one_clear_line(released: Released, tmp_path: Path) -> None:
    """From a lock, with the name of the missing root; nothing is created."""
    refused = _build(released, LOCK, tmp_path / "empty")
    assert refused.code == 1, refused.out
    assert "2 of its inputs are missing" in refused.err
    assert f"the root {released.root}" in refused.err
    assert "date > /etc/acme" in refused.err
    assert refused.err.count("\n") == 1
    declared = yaml.safe_load(released.declaration.read_text()) | {"version": "1.1.0"}
    later = tmp_path / "later.yaml"
    later.write_text(yaml.safe_dump(declared))
    refused = _build(released, later, tmp_path / "empty")
    assert refused.code == 1, refused.out
    assert str(Reference.parse(released.root).digest) in refused.err
    assert refused.err.count("\n") == 1


def test_a_published_version_brings_its_root(released: Released, registry: str, tmp_path: Path) -> None:
    """If the root's own registry lost it, an empty store gets it from the version's repository."""
    home, fleet = tmp_path / "home", tmp_path / "fleet"
    _copy_store(released.home, home)
    shutil.copytree(released.fleet, fleet)
    published = airbyte_ci("base-images", "publish", "acme/on-root:1.0.0", cwd=fleet, home=home)
    assert published.code == 0, published.err
    again = _build(released, LOCK, tmp_path / "empty")
    assert again.code == 0, again.err
    assert again.json["address"] == released.address
    with client_of_user(RegistryOptions()) as client:
        place = Reference.parse(f"{registry}/acme/on-root")
        assert "root-1.0.0-linux-amd64" in client.tags(place)
        assert client.resolve(place.with_tag("1.0.0")).digest == Digest.parse(released.address.partition("@")[2])
    # Other tags next to versions are not versions.
    refreshed = airbyte_ci("base-images", "refresh", str(place), cwd=fleet, home=home)
    assert "0 added, 0 updated, 0 conflicting" in refreshed.out + refreshed.err
