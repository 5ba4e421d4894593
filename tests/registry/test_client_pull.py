"""The requests and results of pulls without faults."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    Descriptor,
    Index,
    Platform,
)
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.options import BlobProgress, RegistryOptions
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.distribution import Manner
from airbyte_ci.testing.faults import Cut, Fault, Header
from airbyte_ci.testing.images import AMD64, random_image, random_index
from airbyte_ci.testing.registry import RegistryServer

ARM64 = Platform("linux", "arm64")


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store(tmp_path / "source")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def at(registry: RegistryServer, name: str) -> Reference:
    return Reference.parse(f"{registry.host}/{name}")


def test_image_brings_no_layers(registry: RegistryServer, source: Store, store: Store) -> None:
    """Requesting an image fetches its manifest and configuration: two requests, and no layer."""
    image = random_image(source, layers=5)
    registry.contents.put_image("acme/x", source, image.digest, "1")
    with quick_client() as client:
        assert client.image(at(registry, "acme/x:1"), AMD64, store) == image
    assert [request.operation for request in registry.requests()] == ["get manifest", "get blob"]
    assert store.image(image.digest) == image
    assert not any(store.has(layer.digest) for layer in image.manifest.layers)


def test_pull_asks_for_nothing_twice(registry: RegistryServer, source: Store, store: Store) -> None:
    """A layer that occurs twice in an image, or is in the store, is not fetched again."""
    image = random_image(source, layers=3)
    twice = image.manifest.make(image.manifest.config, (*image.manifest.layers, image.manifest.layers[0]), {})
    source.put(twice.raw)
    registry.contents.put_image("acme/x", source, twice.digest, "1")
    store.put(source.read(image.manifest.layers[1].digest))
    with quick_client() as client:
        client.pull(at(registry, "acme/x:1"), AMD64, store)
    assert len(registry.requests("get blob")) == 3  # the configuration and two layers


def test_known_digest_needs_no_registry(registry: RegistryServer, source: Store, store: Store) -> None:
    """An image that was pulled by digest, also through an index, is available offline."""
    index = random_index(source, (AMD64, ARM64))
    registry.contents.put_image("acme/x", source, index.digest, "1")
    reference = at(registry, "acme/x:1").with_digest(index.digest)
    with quick_client() as client:
        image = client.pull(reference, ARM64, store)
        asked = len(registry.requests())
        assert client.pull(reference, ARM64, store) == image
        assert len(registry.requests()) == asked
    with quick_client(RegistryOptions(offline=True)) as client:
        assert client.pull(reference, ARM64, store) == image
        with pytest.raises(RegistryError, match="is not used because --offline is set → run once without"):
            client.pull(reference, AMD64, store)


def test_index_is_gone_through(registry: RegistryServer, source: Store, store: Store) -> None:
    """An index gives the platform's image, also when it is below another index."""
    inner = random_index(source, (AMD64, ARM64))
    described = Descriptor(INDEX, inner.digest, len(inner.raw), platform=ARM64)
    outer = Index.make((described,), {})
    source.put(outer.raw)
    registry.contents.put_image("acme/x", source, outer.digest, "1")
    with quick_client() as client:
        assert client.image(at(registry, "acme/x:1"), ARM64, store).config.platform == ARM64


def test_missing_platform_names_those_there_are(registry: RegistryServer, source: Store, store: Store) -> None:
    """A platform that an index lacks is an error that names those it has."""
    index = random_index(source, (AMD64, ARM64))
    registry.contents.put_image("acme/x", source, index.digest, "1")
    with quick_client() as client, pytest.raises(ImageError, match=r"it has: linux/amd64, linux/arm64"):
        client.image(at(registry, "acme/x:1"), Platform("linux", "s390x"), store)


def test_image_for_another_platform_is_refused(registry: RegistryServer, source: Store, store: Store) -> None:
    """An image that is not in an index must also be for the requested platform."""
    image = random_image(source, platform=ARM64)
    registry.contents.put_image("acme/x", source, image.digest, "1")
    with quick_client() as client, pytest.raises(ImageError, match="for linux/arm64, not for linux/amd64"):
        client.image(at(registry, "acme/x:1"), AMD64, store)


def test_index_that_lists_itself_for_ever_is_left(registry: RegistryServer, source: Store, store: Store) -> None:
    """Indexes that list indexes are followed a few times only."""
    index = random_index(source, (AMD64,))
    for _ in range(6):
        index = Index.make((Descriptor(INDEX, index.digest, len(index.raw), platform=AMD64),), {})
        source.put(index.raw)
    registry.contents.put_image("acme/x", source, index.digest, "1")
    with quick_client() as client, pytest.raises(ImageError, match="nested too deeply"):
        client.image(at(registry, "acme/x:1"), AMD64, store)


def test_index_that_lies_about_a_manifest_is_found(registry: RegistryServer, source: Store, store: Store) -> None:
    """A manifest whose size differs from its index is refused."""
    image = random_image(source)
    lie = Index.make((Descriptor(MANIFEST, image.digest, 5, platform=AMD64),), {})
    source.put(lie.raw)
    registry.contents.put_image("acme/x", source, lie.digest, "1")
    with quick_client() as client, pytest.raises(ImageError, match=r"describes sha256:.* incorrectly"):
        client.image(at(registry, "acme/x:1"), AMD64, store)


def test_huge_configuration_is_not_asked_for(registry: RegistryServer, store: Store) -> None:
    """A configuration with a huge declared size is refused before a byte of it is requested."""
    config = {"mediaType": "x", "digest": f"sha256:{'1' * 64}", "size": 10**15}
    raw = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}).encode()
    registry.contents.put_manifest("acme/x", MANIFEST, raw, "1")
    with quick_client() as client, pytest.raises(ImageError, match="is too large"):
        client.image(at(registry, "acme/x:1"), AMD64, store)
    assert not registry.requests("get blob")


def test_docker_images_come_as_they_are(registry: RegistryServer, source: Store, store: Store) -> None:
    """Docker's schema 2 and its lists are kept as the bytes that came."""
    image = random_image(source)
    document = json.loads(image.manifest.raw) | {"mediaType": DOCKER_MANIFEST}
    document["config"]["mediaType"] = DOCKER_CONFIG
    for layer in document["layers"]:
        layer["mediaType"] = DOCKER_LAYER_GZIP
    raw = json.dumps(document, indent=3).encode()  # as Docker indents
    digest = source.put(raw)
    entry = {"mediaType": DOCKER_MANIFEST, "digest": str(digest), "size": len(raw), "platform": AMD64.to_json()}
    listed = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": [entry]}, indent=3).encode()
    registry.contents.put_image("acme/x", source, source.put(listed), "1")
    with quick_client() as client:
        assert client.manifest(at(registry, "acme/x:1")).raw == listed
        pulled = client.pull(at(registry, "acme/x:1"), AMD64, store)
    assert (pulled.manifest.raw, store.read(digest)) == (raw, raw)


def test_resolve_is_one_request(registry: RegistryServer, source: Store) -> None:
    """A tag is resolved by HEAD, which registries do not count as a pull."""
    image = random_image(source)
    registry.contents.put_image("acme/x", source, image.digest, "1")
    with quick_client() as client:
        assert client.resolve(at(registry, "acme/x:1")) == image.manifest.descriptor
        assert [request.operation for request in registry.requests()] == ["head manifest"]
        with pytest.raises(
            BlobNotFound, match=r"cannot resolve .*acme/x:2: .* 404 MANIFEST_UNKNOWN .* → check the spelling"
        ):
            client.resolve(at(registry, "acme/x:2"))


def test_tags_are_listed_to_the_end(registry: RegistryServer, source: Store) -> None:
    """All pages of a list of tags are read; invalid tags are left out."""
    names = [f"1.{number}.0" for number in range(7)]
    registry.contents.put_image("acme/x", source, random_image(source).digest, *names, "\x1b[2J")
    registry.manner = Manner(page=2)
    with quick_client() as client:
        assert client.tags(at(registry, "acme/x")) == tuple(names)
    assert len(registry.requests("list tags")) == 4


@pytest.mark.parametrize("link", ["</v2/acme/x/tags/list?n=1000>", "</v2/acme/x/tags/list?n=1000&a=b>"])
def test_list_without_end_is_left(registry: RegistryServer, source: Store, link: str) -> None:
    """A list whose next page is itself is an error and not a loop."""
    registry.contents.put_image("acme/x", source, random_image(source).digest, "1")
    registry.fail(Fault("list tags", Header("Link", f'{link}; rel="next"'), None))
    with quick_client() as client, pytest.raises(RegistryError, match="an endless list"):
        client.tags(at(registry, "acme/x"))


def test_list_elsewhere_is_read_without_our_login(registry: RegistryServer, source: Store) -> None:
    """A next page on a host without TLS is not requested."""
    registry.contents.put_image("acme/x", source, random_image(source).digest, "1")
    registry.fail(Fault("list tags", Header("Link", '<http://other.invalid/v2/>; rel="next"'), None))
    with quick_client() as client, pytest.raises(RegistryError, match="does not use TLS"):
        client.tags(at(registry, "acme/x"))


def test_progress_is_told(registry: RegistryServer, source: Store, store: Store) -> None:
    """Each blob's progress goes from something to its whole size."""
    image = random_image(source, layers=3, size=400_000)
    registry.contents.put_image("acme/x", source, image.digest, "1")
    events: list[BlobProgress] = []
    with quick_client(RegistryOptions(progress=events.append)) as client:
        client.pull(at(registry, "acme/x:1"), AMD64, store)
    for layer in image.manifest.layers:
        steps = [event for event in events if event.digest == layer.digest]
        assert [event.done for event in steps] == sorted({event.done for event in steps})
        assert (steps[-1].done, steps[-1].total, steps[-1].step) == (layer.size, layer.size, "downloading")


def test_pull_blob_brings_one_blob(registry: RegistryServer, source: Store, store: Store) -> None:
    """A single blob can be had, and an empty one needs no request."""
    image = random_image(source)
    layer, empty = image.manifest.layers[0], Descriptor("x", Digest.of(b""), 0)
    registry.contents.put_image("acme/x", source, image.digest, "1")
    with quick_client() as client:
        client.pull_blob(at(registry, "acme/x"), layer, store)
        client.pull_blob(at(registry, "acme/x"), empty, store)
    assert store.read(layer.digest) == source.read(layer.digest)
    assert len(registry.requests()) == 1


def test_cut_body_is_not_asked_for_from_its_start(registry: RegistryServer, source: Store, store: Store) -> None:
    """After an interruption, only the missing part is requested, and the blob is complete."""
    image = random_image(source, layers=1, size=1_000_000)
    layer = image.manifest.layers[0]
    registry.contents.put_image("acme/x", source, image.digest, "1")
    registry.fail(Fault("get blob", Cut(600_000), 1))
    with quick_client() as client:
        client.pull_blob(at(registry, "acme/x"), layer, store)
    ranges = [request.headers.get("range") for request in registry.requests("get blob")]
    assert ranges == [None, f"bytes={4 * (128 << 10)}-"]
    assert store.read(layer.digest) == source.read(layer.digest)
