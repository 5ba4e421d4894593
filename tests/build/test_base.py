"""Which base image a build uses, and where it comes from."""

from pathlib import Path

import pytest

from airbyte_ci.build import base
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ConnectorError, ImageError, RegistryError
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference, parse_pinned
from airbyte_ci.oci.store import Store
from airbyte_ci.testing.images import random_image, random_index
from tests.connectors.fleets import connector

PINNED = f"acme.example/base:1.0.0@sha256:{'a' * 64}"
OTHER = f"acme.example/other@sha256:{'b' * 64}"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def no_pull(reference: Reference, platform: Platform) -> Image:
    raise RegistryError(f"no registry for {reference}", advice="look again")


@pytest.mark.parametrize(
    ("written", "override", "expected"),
    [(PINNED, None, PINNED), (PINNED, OTHER, OTHER), (None, OTHER, OTHER)],
)
def test_the_override_counts_before_the_metadata(written: str | None, override: str | None, expected: str) -> None:
    """--base-image, else what metadata names, also beside a Dockerfile."""
    options = {"connectorBuildOptions": {"baseImage": written}} if written else {}
    item = connector("source-x", ("setup.py", "Dockerfile"), **options)
    assert str(base.address(item, override)) == expected


@pytest.mark.parametrize(
    ("files", "data", "kind", "said"),
    [
        (("setup.py", "Dockerfile"), {}, ConnectorError, "it is still built from its Dockerfile"),
        (("setup.py",), {}, ConnectorError, "it has no Dockerfile either"),
        (("build.gradle",), {}, ConnectorError, "it is not a Python connector"),
        (("setup.py",), {"baseImage": "acme/base:1.0.0"}, ImageError, "has no digest"),
        (("setup.py",), {"baseImage": "not an address"}, ImageError, "is not an image address"),
        (("setup.py",), {"baseImage": "acme/base@sha256:abc"}, ImageError, "is not a sha256 digest"),
        (("setup.py",), {"baseImage": None}, ConnectorError, "it has no Dockerfile either"),
    ],
)
def test_no_usable_base_is_told(
    files: tuple[str, ...], data: dict[str, object], kind: type[AirbyteCiError], said: str
) -> None:
    """Each reason, and for connectors to migrate the command that does it."""
    item = connector("source-x", files, **({"connectorBuildOptions": data} if data else {}))
    with pytest.raises(kind, match=said) as caught:
        base.address(item, None)
    if "Dockerfile" in said:
        assert "connectors --name=source-x migrate_to_base_image" in str(caught.value)


def test_a_base_in_the_store_asks_no_registry(tmp_path: Path) -> None:
    """By an image's own digest, or by an index's, of which the platform's image is taken."""
    store = Store(tmp_path)
    image, index = random_image(store, seed=1), random_index(store, (AMD64, ARM64), seed=2)
    alone = base.resolve(store, parse_pinned(f"a/b@{image.digest}"), AMD64, no_pull)
    assert alone.image.digest == image.digest
    for platform in (AMD64, ARM64):
        found = base.resolve(store, parse_pinned(f"a/b@{index.digest}"), platform, no_pull).image
        assert found.config.platform == platform


def test_an_index_without_the_platform_is_told(tmp_path: Path) -> None:
    """Which platforms there are is said; no registry would have another index under that digest."""
    store = Store(tmp_path)
    index = random_index(store, (ARM64,))
    with pytest.raises(ImageError, match=r"has no image for linux/amd64 \(it has: linux/arm64\)"):
        base.resolve(store, parse_pinned(f"a/b@{index.digest}"), AMD64, no_pull)


@pytest.mark.parametrize("lost", ["manifest", "config", "layer"])
def test_a_base_that_is_there_in_part_is_pulled(tmp_path: Path, lost: str) -> None:
    """A store that lost a blob (collected, interrupted) is completed from the registry."""
    store = Store(tmp_path)
    image = random_image(store)
    digest = {
        "manifest": image.digest,
        "config": image.manifest.config.digest,
        "layer": image.manifest.layers[1].digest,
    }[lost]
    store.path(digest).unlink()
    asked = []

    def pull(reference: Reference, platform: Platform) -> Image:
        asked.append((str(reference), str(platform)))
        return image

    reference = parse_pinned(f"acme.example/b:1@{image.digest}")
    assert base.resolve(store, reference, AMD64, pull).image == image
    assert asked == [(str(reference), "linux/amd64")]


@pytest.mark.parametrize("error", [RegistryError("gone", advice="look again"), BlobNotFound("gone")])
def test_a_pull_that_fails_is_told_with_another_way(tmp_path: Path, error: AirbyteCiError) -> None:
    """What the registry said, what it advised, and that another base can be built on."""

    def pull(reference: Reference, platform: Platform) -> Image:
        raise error

    with pytest.raises(RegistryError, match="gone") as caught:
        base.resolve(Store(tmp_path), parse_pinned(PINNED), AMD64, pull)
    assert "--base-image" in str(caught.value)
    assert (error.advice or "") in str(caught.value)
