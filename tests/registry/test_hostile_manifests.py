"""Untrusted manifests: each is parsed, or refused with an AirbyteCiError."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.image import CONFIG, MANIFEST, Image, ImageConfig, Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.manifests import checked_manifest
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.images import AMD64, random_image, random_index
from airbyte_ci.testing.registry import RegistryServer

ODD: tuple[object, ...] = (
    None, True, -1, 0, 1e308, 10**30, "", "\x00", "\ud800", "../../etc/passwd", "sha256:", f"sha512:{'0' * 128}",
    f"sha256:{'G' * 64}", [], [[]], {}, {"digest": 1}, {"a": {"b": {"c": []}}}, "x" * 10_000, MANIFEST,
)  # fmt: skip
Mutation = Callable[[random.Random, bytes], bytes]


def flipped(chance: random.Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw))
    return raw[:place] + bytes([chance.randrange(256)]) + raw[place + 1 :]


def cut(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw))]


def doubled(chance: random.Random, raw: bytes) -> bytes:
    begin, end = sorted((chance.randrange(len(raw)), chance.randrange(len(raw))))
    return raw[:end] + raw[begin:]


def replaced(chance: random.Random, raw: bytes) -> bytes:
    """Another value somewhere in the document, or one less, or one twice."""
    document = json.loads(raw)
    places = list(spots(document))
    holder, key = chance.choice(places)
    if chance.random() < 0.2:
        del holder[key]
    elif chance.random() < 0.2:
        holder[key] = [holder[key]] * 2
    else:
        holder[key] = chance.choice(ODD)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def spots(value: object) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            found += [(value, key), *spots(item)]
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += [(value, number), *spots(item)]
    return found


def read_all(raw: bytes) -> None:
    """All processing of a manifest before the next request."""
    manifest = checked_manifest(raw, MANIFEST, "the manifest of a stranger")
    if isinstance(manifest, Index):
        manifest.select(AMD64, "it")
    else:
        assert isinstance(manifest, Manifest)
        assert manifest.config.size >= 0
        assert all(layer.size >= 0 for layer in manifest.layers)
    assert manifest.descriptor.digest == manifest.digest


def read_config(raw: bytes, image: Image) -> None:
    """Everything that is done with a configuration when an image is pulled."""
    config = ImageConfig.parse(raw, "a configuration")
    assert Image(image.manifest, config).layers is not None
    assert str(config.platform) is not None
    assert config.environment is not None


@pytest.mark.parametrize("seed", range(10))
def test_mutated_manifests(seed: int, tmp_path: Path) -> None:
    """Of 10,000 mutated manifests, indexes and configurations, each is valid or a clear error of one line."""
    chance, store = random.Random(seed), Store(tmp_path)
    image, index = random_image(store, layers=3), random_index(store, (AMD64,))
    mutations: tuple[Mutation, ...] = (flipped, cut, doubled, replaced, replaced, replaced)
    refused = 0
    for _ in range(1000):
        read, raw = chance.choice(
            [
                (read_all, image.manifest.raw),
                (read_all, index.raw),
                (lambda text: read_config(text, image), image.config.raw),
            ]
        )
        mutated = chance.choice(mutations)(chance, raw)
        try:
            read(mutated)
        except AirbyteCiError as error:
            refused += 1
            assert str(error)
            assert len(str(error)) < 20_000
    assert refused > 300


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"\x00" * 1000,
        b"[" * 2_000_000,
        b'{"a":' * 500_000,
        b"1" * 100_000,
        b'{"schemaVersion": ' + b"9" * 100_000 + b"}",
        '{"\ud800": 1}'.encode("utf-8", "surrogatepass"),
        b"\xff\xfe{\x00}\x00",
        b'{"layers": [], "config": {"mediaType": "x", "size": NaN, "digest": "sha256:"}}',
        b'{"manifests": {}}',
        b'{"layers": [{}], "config": {}}',
    ],
)
def test_documents_made_to_hurt(raw: bytes) -> None:
    """Deep nesting, huge numbers and broken text quickly end in an AirbyteCiError."""
    with pytest.raises(AirbyteCiError):
        read_all(raw)


def test_hostile_registry_leaves_the_store_whole(tmp_path: Path) -> None:
    """A pull of mutated manifests ends in an error or an image, and leaves nothing half-written."""
    chance, source, store = random.Random(1), Store(tmp_path / "source"), Store(tmp_path / "store")
    image = random_image(source, layers=2)
    with RegistryServer() as registry, quick_client() as client:
        registry.contents.put_image("acme/x", source, image.digest)
        for _ in range(150):
            raw = replaced(chance, image.manifest.raw)
            registry.contents.put_manifest("acme/x", MANIFEST, raw, "1")
            try:
                client.pull(Reference.parse(f"{registry.host}/acme/x:1"), AMD64, store)
            except AirbyteCiError as error:
                assert "\n" not in str(error)
    assert not list((store.root / "ingest").iterdir())
    for blob in (store.root / "blobs" / "sha256").iterdir():
        with blob.open("rb") as file:
            assert image.digest.of_stream(file).hex == blob.name


def test_artifact_is_not_an_image(tmp_path: Path) -> None:
    """A manifest whose configuration is no image's can be read, and not pulled as an image."""
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": CONFIG,
                "digest": f"sha256:{'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'}",
                "size": 2,
            },
            "layers": [],
        }
    ).encode()
    with RegistryServer() as registry, quick_client() as client:
        registry.contents.put_blob("acme/x", b"{}")
        registry.contents.put_manifest("acme/x", MANIFEST, raw, "1")
        reference = Reference.parse(f"{registry.host}/acme/x:1")
        assert client.manifest(reference).raw == raw
        with pytest.raises(AirbyteCiError, match="names no layers"):
            client.pull(reference, AMD64, Store(tmp_path))
