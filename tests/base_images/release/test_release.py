"""Releasing: which roots, which versions; the parts of several machines come together in one lock."""

from datetime import date
from pathlib import Path

import pytest

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.making import lock
from airbyte_ci.base_images.making.build import BaseImageBuild
from airbyte_ci.base_images.making.debian_inputs import DebianInputs
from airbyte_ci.base_images.making.lock import PlatformLock
from airbyte_ci.base_images.release import release
from airbyte_ci.errors import ConfigurationError, ImageError
from airbyte_ci.oci.image import Image, ImageConfig, Manifest, Platform
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.reports import base_images_page

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
REPOSITORY = "acme.example/base"


def declared(**others: object) -> Declaration:
    root = {"image": f"acme.example/root@sha256:{'a' * 64}", "debian": {"suite": "bookworm", "packages": ["python3"]}}
    document = {"repository": REPOSITORY, "version": "1.0.0", "changelog": "First", "root": root}
    return declare.from_document(document | others, "x")


def image(store: Store) -> Image:
    layer = layer_of(store, [Entry(path="etc/content", content=b"x")])
    document = {**AMD64.to_json(), "config": {}, "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]}}
    config = ImageConfig.make(document)
    return store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)


def made(store: Store, debian: DebianInputs | None) -> BaseImageBuild:
    """A build on an image, or on Debian packages."""
    found = image(store)
    part = PlatformLock(
        manifest=found.digest,
        size=len(found.manifest.raw),
        root=found.digest,
        debian=debian,
        wheels=(),
        commands=(),
        python="3.11.2",
    )
    address = Reference.parse(f"{REPOSITORY}:1.0.0@{found.digest}")
    return BaseImageBuild(
        version=BaseImageVersion(repository=REPOSITORY, version="1.0.0", address=address, python="3.11"),
        image=found,
        checks=(),
        root="x",
        cached=False,
        locked=part,
    )


def test_all_platforms_stand_on_the_same_kind_of_root(tmp_path: Path) -> None:
    """One on the declared image and one on Debian packages would be two different bases under one version."""
    store = Store(tmp_path)
    pulled, bootstrapped = made(store, None), made(store, DebianInputs("bookworm", ("python3",), (), ""))
    first = release.locked(declared(), pulled, (), ARM64, None, store)
    with pytest.raises(ImageError, match=r"linux/arm64 has the root image, but linux/amd64 is built on debian"):
        release.locked(declared(), bootstrapped, (), AMD64, first, store)
    assert set(release.locked(declared(), pulled, (), AMD64, first, store).platforms) == {AMD64, ARM64}
    # The only platform of a lock may be released again on another root.
    assert release.locked(declared(), bootstrapped, (), ARM64, first, store).platforms[ARM64].debian


def test_an_expired_version_is_not_released() -> None:
    """The last day of support is still valid; after it, the version should not be adopted any more."""
    ending = declared(**{"supported-until": "2026-11-24"})
    release.refuse_unfit(ending, Catalog(()), date(2026, 11, 24))
    with pytest.raises(ImageError, match="its support ended on 2026-11-24"):
        release.refuse_unfit(ending, Catalog(()), date(2026, 11, 25))


def test_a_changelog_is_in_the_order_of_versions() -> None:
    """An older line that is still maintained comes below the newer one; text in between stays."""
    text = ""
    for version in ("1.0.0", "2.0.0", "1.0.1", "2.0.0-rc.1", "2.0.0"):
        address = Reference.parse(f"{REPOSITORY}:{version}@sha256:{'a' * 64}")
        entry = BaseImageVersion(
            repository=REPOSITORY, version=version, address=address, python="3.11", changelog=f"What {version} is"
        )
        text = base_images_page.with_section(text, entry, None, None)
    found = [line.split()[1] for line in text.splitlines() if line.startswith("## ")]
    assert found == ["2.0.0", "2.0.0-rc.1", "1.0.1", "1.0.0"]


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"schema": 1}', '{"schema": 1, "declaration": {}, "platforms": {"x": 1}}', "7"]
)
def test_a_damaged_lock_is_told_in_plain_words(tmp_path: Path, text: str) -> None:
    """The file, and advice; no message of Python."""
    path = tmp_path / "x.lock.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        lock.read(path)
    assert caught.value.message.startswith(f"the lock {path} is damaged")
    assert caught.value.advice == "restore it from git"
    assert "Error" not in caught.value.message
