"""Packages that hooks install: downloaded once for all builds, and never believed because they were there."""

import os
import shutil
from pathlib import Path

import pytest

from airbyte_ci.dagger import Exec
from airbyte_ci.oci.image import Image, Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs import snapshot
from tests.e2e.conftest import Base

APT = Exec(("sh", "-c", "apt-get update && apt-get install -y --no-install-recommends jq && apt-get clean"))


@pytest.fixture
def image(store: Store, base: Base, tmp_path: Path) -> tuple[Store, Image]:
    """The demo's base image in a store of its own."""
    reference = Reference.parse(base.address)
    assert reference.digest
    manifest = store.manifest(reference.digest)
    found = store.image(manifest.manifests[0].digest) if isinstance(manifest, Index) else store.image(reference.digest)
    own = Store(tmp_path / "store")
    for digest in (found.digest, *found.manifest.blobs):
        shutil.copy2(store.path(digest), own.path(digest))
    return own, found


def _forget_commands(store: Store, base: Image) -> None:
    """Removes everything unnamed, like a collection: commands, their files and layers. The base stays unpacked."""
    known = {key: store.recall(key) for key in map(snapshot._ways_key, base.config.diff_ids)}
    shutil.rmtree(store.root / "actions")
    (store.root / "actions").mkdir()
    for key, value in known.items():
        store.remember(key, value or {})
    for folder in (store.root / "snapshots").glob("*-*"):
        shutil.rmtree(folder)


@pytest.mark.slow
def test_apt_downloads_once_and_believes_nothing(image: tuple[Store, Image]) -> None:
    """A second run, after its layer was collected, fetches lists only; a package that was forged is fetched again."""
    store, base = image

    def run() -> tuple[int, Image]:
        evaluator = Evaluator(store, base, timeout=300)
        fetched = evaluator.state([APT]).output.stdout.count("\nFetched ")
        _forget_commands(store, base)
        return fetched, Evaluator(store, base, timeout=300).image([], {})

    assert run()[0] == 2
    (package,) = (store.root / "caches" / "apt").glob("*/jq_*.deb")
    genuine = package.read_bytes()
    assert run()[0] == 1
    status = package.stat()
    forged = genuine[:-2000] + bytes(2000)
    package.write_bytes(forged)
    os.utime(package, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run()[0] == 2
    assert package.read_bytes() == genuine
