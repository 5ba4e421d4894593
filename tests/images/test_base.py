"""Which base image a build uses, and where it comes from."""

from pathlib import Path

import pytest

from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ConnectorError, ImageError, RegistryError
from airbyte_ci.images import base
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.images import random_image, random_index
from tests.connectors.fleets import connector
from tests.images.registries import Deaf, Shelf

PINNED = f"acme.example/base:1.0.0@sha256:{'a' * 64}"
OTHER = f"acme.example/other@sha256:{'b' * 64}"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.mark.parametrize(
    ("written", "override", "expected"),
    [(PINNED, None, PINNED), (PINNED, OTHER, OTHER), (None, OTHER, OTHER)],
)
def test_the_override_counts_before_the_metadata(written: str | None, override: str | None, expected: str) -> None:
    """--base-image, else the metadata's, also with a Dockerfile."""
    options = {"connectorBuildOptions": {"baseImage": written}} if written else {}
    item = connector("source-x", ("setup.py", "Dockerfile"), **options)
    assert str(base.address(item, override)) == expected


@pytest.mark.parametrize(
    ("files", "data", "kind", "said"),
    [
        (("setup.py", "Dockerfile"), {}, ConnectorError, "it is built from a Dockerfile"),
        (("setup.py",), {}, ConnectorError, "it has no Dockerfile either"),
        (
            ("build.gradle",),
            {},
            ConnectorError,
            "has none of pyproject.toml, setup.py, manifest.yaml, src/main/java and src/main/kotlin",
        ),
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
    registries = Deaf()
    alone = base.resolve(store, parse_pinned(f"a/b@{image.digest}"), AMD64, registries)
    assert alone.digest == image.digest
    for platform in (AMD64, ARM64):
        found = base.resolve(store, parse_pinned(f"a/b@{index.digest}"), platform, registries)
        assert found.config.platform == platform
        base.complete(store, found, (parse_pinned(f"a/b@{index.digest}"),), registries)
    assert registries.asked == []


def test_an_index_without_the_platform_is_told(tmp_path: Path) -> None:
    """The error lists the available platforms; no other registry could have another index with that digest."""
    store = Store(tmp_path)
    index = random_index(store, (ARM64,))
    with pytest.raises(ImageError, match=r"has no image for linux/amd64 \(it has: linux/arm64\)"):
        base.resolve(store, parse_pinned(f"a/b@{index.digest}"), AMD64, Deaf())


@pytest.mark.parametrize("lost", ["manifest", "config"])
def test_a_base_that_is_there_in_part_is_looked_up(tmp_path: Path, lost: str) -> None:
    """A store that lost a small blob (collected, interrupted) fetches it, and no layer before it is needed."""
    store, behind = Store(tmp_path / "ours"), Store(tmp_path / "behind")
    image = random_image(behind)
    random_image(store)
    store.path({"manifest": image.digest, "config": image.manifest.config.digest}[lost]).unlink()
    registries = Shelf(behind=behind, whole=image)
    reference = parse_pinned(f"acme.example/b:1@{image.digest}")
    assert base.resolve(store, reference, AMD64, registries) == image
    assert registries.asked == [("look", str(reference), "linux/amd64")]


def test_only_the_layers_that_are_not_here_are_fetched(tmp_path: Path) -> None:
    """When they are needed, each once, from the first place that has them; a second time nothing is fetched."""
    store, behind = Store(tmp_path / "ours"), Store(tmp_path / "behind")
    image = random_image(behind, layers=3)
    store.put(behind.read(image.manifest.layers[1].digest))
    registries = Shelf(behind=behind, whole=image)
    reference = parse_pinned(f"acme.example/b:1@{image.digest}")
    found = base.resolve(store, reference, AMD64, registries)
    for _ in range(2):
        base.complete(store, found, (reference,), registries)
    layers = image.manifest.layers
    assert registries.asked[1:] == [("fetch", str(reference), str(layers[number].digest)) for number in (0, 2)]


@pytest.mark.parametrize("error", [RegistryError("gone", advice="look again"), BlobNotFound("gone")])
def test_a_registry_that_fails_is_told_with_another_way(tmp_path: Path, error: RegistryError | BlobNotFound) -> None:
    """The registry's message and advice, and that another base can be used; for layers too."""
    store = Store(tmp_path / "ours")
    image = random_image(store)
    reference = parse_pinned(f"acme.example/b:1@{image.digest}")
    store.path(image.manifest.layers[1].digest).unlink()
    for ask in (
        lambda: base.resolve(store, parse_pinned(PINNED), AMD64, Deaf(error)),
        lambda: base.complete(store, image, (reference,), Deaf(error)),
    ):
        with pytest.raises(RegistryError, match="gone") as caught:
            ask()
        assert "--base-image" in str(caught.value)
        assert (error.advice or "") in str(caught.value)
