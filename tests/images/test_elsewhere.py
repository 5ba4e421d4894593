"""Layers of an environment in a registry: taken only when all of them are there, under this key and in this form."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from airbyte_ci.errors import BlobNotFound, RegistryError
from airbyte_ci.images import elsewhere
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, LAYER_ZSTD, Descriptor, Image, ImageConfig, Manifest, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.layers import PART
from tests.images.registries import Deaf

KEY, OTHER = Digest("a" * 64), Digest("b" * 64)
AMD64 = Platform("linux", "amd64")
TARGET = Reference.parse("localhost:5000/acme/source-x:dev")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that stays empty: what the registries of these tests have is in memory."""
    return Store(tmp_path / "store")


def image(*annotations: str, media_type: str = LAYER_GZIP) -> Image:
    """An image with a base layer and one for each annotation; the digest of each layer is its number."""
    layers = [Descriptor(LAYER_GZIP, Digest("0" * 64), 1)]
    for number, text in enumerate(annotations, 1):
        layers.append(Descriptor(media_type, Digest(f"{number:064}"), 1, {PART: text} if text else {}))
    config = ImageConfig.make(
        {
            **AMD64.to_json(),
            "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
        }
    )
    return Image(Manifest.make(config.descriptor, tuple(layers), {}), config)


class Tagged(Deaf):
    """A repository with these images by tag."""

    def __init__(self, **images: Image) -> None:
        super().__init__()
        self.images = {name.replace("_", "."): item for name, item in images.items()}

    def image(self, reference: Reference, platform: Platform, store: Store) -> Image:
        self.asked.append(("look", str(reference.tag)))
        if reference.tag not in self.images:
            raise self.failure
        return self.images[str(reference.tag)]

    def tags(self, reference: Reference) -> tuple[str, ...]:
        return tuple(self.images)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([f"{KEY} 1/2", f"{KEY} 2/2"], [1, 2]),
        ([f"{KEY} 2/2", f"{KEY} 1/2"], [2, 1]),
        (["", f"{KEY} 1/1", ""], [2]),
        ([f"{OTHER} 1/1", f"{KEY} 1/1"], [2]),
        ([], []),
        ([""], []),
        ([f"{OTHER} 1/2", f"{OTHER} 2/2"], []),
        ([f"{KEY} 1/2"], []),
        ([f"{KEY} 2/2"], []),
        ([f"{KEY} 1/3", f"{KEY} 3/3"], []),
        ([f"{KEY} 1/1", f"{KEY} 2/1"], []),
        ([f"{KEY} 0/1"], []),
        ([f"{KEY} 1/2", f"{KEY} 2/3"], []),
        ([f"{KEY} 1/2", f"{OTHER} 2/2"], []),
        ([f"{KEY} 1/1 ", f"{KEY}"], []),
        ([f"{KEY} -1/-1"], []),
        ([f"{KEY} 1/1000000000000"], []),
    ],
)
def test_only_a_whole_environment_is_taken(annotations: Sequence[str], expected: list[int]) -> None:
    """In the order of the parts; if one is missing, has another key or is malformed, none is used."""
    found = elsewhere.parts(image(*annotations), KEY)
    assert [int(layer.descriptor.digest.hex) for layer in found] == expected


def test_the_layers_are_of_the_compression_that_is_wanted(store: Store) -> None:
    """gzip and zstd have other bytes, so one is not taken for the other."""
    for has in (LAYER_GZIP, LAYER_ZSTD):
        registries = Tagged(dev=image(f"{KEY} 1/1", media_type=has))
        for wanted in (LAYER_GZIP, LAYER_ZSTD):
            found = elsewhere.find(registries, store, TARGET, AMD64, wanted, [KEY])
            assert (found is not None) is (has == wanted)


def test_the_newest_versions_are_looked_at_and_not_all(store: Store) -> None:
    """The tag that will be pushed, then the newest by version, not by letters; invalid versions never."""
    ours, theirs = image(f"{KEY} 1/1"), image(f"{OTHER} 1/1")
    registries = Tagged(**{"0_9": theirs, "0_10": ours, "latest": ours, "0_2": theirs, "0_3": theirs, "0_1": ours})
    found = elsewhere.find(registries, store, TARGET, AMD64, LAYER_GZIP, [KEY])
    assert found is not None
    assert registries.asked == [("look", "dev"), ("look", "0.10")]
    assert found.source.repository == TARGET.repository
    registries.asked.clear()
    assert elsewhere.find(registries, store, TARGET, AMD64, LAYER_GZIP, [Digest("c" * 64)]) is None
    assert len(registries.asked) == 4


def test_another_key_is_worked_for_only_where_there_are_images(store: Store) -> None:
    """The names of natively built wheels require their builds: an empty repository needs none, a hit no more."""
    worked = []

    def keys() -> Iterator[Digest]:
        for key in (OTHER, KEY):
            worked.append(key)
            yield key

    assert elsewhere.find(Tagged(), store, TARGET, AMD64, LAYER_GZIP, keys()) is None
    assert elsewhere.find(Tagged(dev=image("", "")), store, TARGET, AMD64, LAYER_GZIP, keys()) is None
    assert not worked
    registries = Tagged(**{"0_9": image(f"{KEY} 1/1"), "0_10": image(f"{OTHER} 2/2")})
    found = elsewhere.find(registries, store, TARGET, AMD64, LAYER_GZIP, keys())
    assert found and found.key == KEY and worked == [OTHER, KEY]
    assert len([what for what, _ in registries.asked if what == "look"]) == 3, "each is looked at once"
    worked.clear()
    assert elsewhere.find(Tagged(dev=image(f"{OTHER} 1/1")), store, TARGET, AMD64, LAYER_GZIP, keys())
    assert worked == [OTHER]


@pytest.mark.parametrize("failure", [BlobNotFound("none"), RegistryError("no")])
def test_an_empty_repository_has_nothing(store: Store, failure: BlobNotFound) -> None:
    """The first push of a connector finds none; a failing registry is reported at the push, which needs it."""
    if isinstance(failure, BlobNotFound):
        assert elsewhere.find(Deaf(failure), store, TARGET, AMD64, LAYER_GZIP, [KEY]) is None
        return
    with pytest.raises(RegistryError):
        elsewhere.find(Deaf(failure), store, TARGET, AMD64, LAYER_GZIP, [KEY])
