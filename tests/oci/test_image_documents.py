"""Manifests, indexes and configurations: original bytes are kept, invalid documents raise ImageError."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import (
    CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    Image,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    canonical_json,
    parse_json_object,
    parse_manifest,
)

DIGEST = Digest("1" * 64)
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
CONFIGURATION = Descriptor(CONFIG, DIGEST, 2)
LAYER = Descriptor(LAYER_GZIP, Digest("2" * 64), 30, {"k": "v"})

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), _JSON, max_size=5))
def test_canonical_json_has_one_spelling(value: dict[str, Any]) -> None:
    """The order in which keys came does not show, and reading back gives the value."""
    data = canonical_json(value)
    assert canonical_json(dict(reversed(value.items()))) == data
    assert json.loads(data) == value


def test_canonical_json_is_utf8_without_blanks() -> None:
    """Sorted keys, no blanks, UTF-8 as itself, no final newline."""
    assert canonical_json({"b": [1, 2], "a": "é"}) == '{"a":"é","b":[1,2]}'.encode()


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000],
    ids=["empty", "open", "list", "number", "not-utf8", "deep-list", "deep-object", "long-number"],
)
def test_what_is_not_a_json_object_is_an_image_error(data: bytes) -> None:
    """However deep or broken, the error names the thing that was read."""
    with pytest.raises(ImageError, match="manifest of x"):
        parse_json_object(data, "manifest of x")


def test_a_made_manifest_reads_back_as_itself() -> None:
    """Manifest.make and Manifest.parse are inverse, and the digest is over the bytes."""
    manifest = Manifest.make(CONFIGURATION, (LAYER,), {"a": "b"})
    assert Manifest.parse(manifest.raw, "it") == manifest
    assert manifest.digest == Digest.of(manifest.raw)
    assert manifest.descriptor == Descriptor(MANIFEST, manifest.digest, len(manifest.raw))


def test_the_bytes_that_came_are_kept() -> None:
    """A manifest with blanks and unknown keys keeps its own bytes, and so its digest."""
    raw = b'{ "schemaVersion": 2,  "unknown": true, "config": %s, "layers": [] }' % canonical_json(
        CONFIGURATION.to_json()
    )
    manifest = Manifest.parse(raw, "it")
    assert (manifest.raw, manifest.media_type, manifest.digest) == (raw, MANIFEST, Digest.of(raw))


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_INDEX, None], ids=str)
def test_an_index_is_told_from_a_manifest(media_type: str | None) -> None:
    """By media type, or by shape where old tools wrote none."""
    document = {"manifests": [], **({"mediaType": media_type} if media_type else {})}
    assert isinstance(parse_manifest(canonical_json(document), "it"), Index)


@pytest.mark.parametrize("media_type", [MANIFEST, DOCKER_MANIFEST, None], ids=str)
def test_a_manifest_is_told_from_an_index(media_type: str | None) -> None:
    """By media type, or by shape where old tools wrote none."""
    document = {"config": CONFIGURATION.to_json(), "layers": [], **({"mediaType": media_type} if media_type else {})}
    assert isinstance(parse_manifest(canonical_json(document), "it"), Manifest)


GOOD = {"mediaType": MANIFEST, "config": CONFIGURATION.to_json(), "layers": [LAYER.to_json()]}


@pytest.mark.parametrize(
    "change",
    [
        {"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"},
        {"mediaType": 5},
        {"layers": None},
        {"layers": {}},
        {"layers": ["x"]},
        {"layers": [{}]},
        {"layers": [{**LAYER.to_json(), "size": -1}]},
        {"layers": [{**LAYER.to_json(), "size": True}]},
        {"layers": [{**LAYER.to_json(), "size": "30"}]},
        {"layers": [{**LAYER.to_json(), "digest": "sha256:../../x"}]},
        {"layers": [{**LAYER.to_json(), "annotations": [1]}]},
        {"config": None},
        {"config": []},
    ],
    ids=repr,
)
def test_a_broken_manifest_is_an_image_error(change: dict[str, Any]) -> None:
    """Each part that is relied on is checked before it is used."""
    with pytest.raises(ImageError):
        parse_manifest(canonical_json({**GOOD, **change}), "it")


@pytest.mark.parametrize(
    "change",
    [
        {"rootfs": None},
        {"rootfs": {"diff_ids": None}},
        {"config": [1]},
        {"config": {"Env": 5}},
        {"config": {"Env": [5]}},
        {"config": {"Entrypoint": "sh"}},
        {"config": {"Cmd": {"a": 1}}},
        {"config": {"Labels": ["a"]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"User": ["root"]}},
        {"config": {"WorkingDir": 5}},
        {"history": 5},
    ],
    ids=repr,
)
def test_a_broken_configuration_is_an_image_error(change: dict[str, Any]) -> None:
    """A hostile configuration ends here, not in a TypeError where it is used."""
    with pytest.raises(ImageError, match="the configuration"):
        ImageConfig.parse(canonical_json({"rootfs": {"diff_ids": []}, **change}), "the configuration")


def test_text_that_is_not_unicode_is_an_image_error() -> None:
    """A lone surrogate cannot be written again, so it does not come in."""
    with pytest.raises(ImageError, match="the configuration"):
        ImageConfig.parse(b'{"rootfs":{"diff_ids":[]},"author":"\\ud800"}', "the configuration")


def test_nulls_in_a_configuration_are_absent_values() -> None:
    """Go writes null for an empty list; it means the same."""
    nothing = {"Env": None, "Cmd": None, "Entrypoint": None, "Labels": None, "User": "", "WorkingDir": ""}
    config = ImageConfig.parse(canonical_json({"rootfs": {"diff_ids": []}, "config": nothing, "history": None}), "it")
    assert config.environment == {}


def test_environment_values_may_hold_equal_signs() -> None:
    """Only the first one separates name and value."""
    config = ImageConfig.make({"rootfs": {"diff_ids": []}, "config": {"Env": ["A=b=c", "B", "C="]}})
    assert config.environment == {"A": "b=c", "B": "", "C": ""}


def test_an_image_needs_one_diff_id_per_layer() -> None:
    """A manifest and a configuration that do not belong together are an ImageError, never a short zip."""
    config = ImageConfig.make({"rootfs": {"diff_ids": []}})
    image = Image(Manifest.make(config.descriptor, (LAYER,), {}), config)
    with pytest.raises(ImageError, match="1 layers but 0 diffIDs"):
        _ = image.layers


@pytest.mark.parametrize(
    ("wanted", "offered", "accepted"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_platforms_accept_by_system_architecture_and_variant(wanted: str, offered: str, accepted: bool) -> None:
    """A variant matters where both sides name one."""
    assert Platform.parse(wanted).accepts(Platform.parse(offered)) is accepted


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/c/d"])
def test_a_malformed_platform_is_refused_with_a_spelling(text: str) -> None:
    """The error shows how a platform is written."""
    with pytest.raises(ImageError, match="linux/amd64"):
        Platform.parse(text)


def test_an_index_gives_the_platform_or_names_what_it_has() -> None:
    """Selecting passes over attestations (no platform), and a missing platform is an error with the list."""
    entries = (Descriptor(MANIFEST, Digest("3" * 64), 1), Descriptor(MANIFEST, Digest("4" * 64), 1, platform=AMD64))
    index = Index.make(entries, {})
    assert Index.parse(index.raw, "it") == index
    assert index.select(AMD64, "it").digest == Digest("4" * 64)
    with pytest.raises(ImageError, match="linux/amd64"):
        index.select(ARM64, "it")


@given(
    st.builds(
        Descriptor,
        st.text(min_size=1),
        st.binary().map(Digest.of),
        st.integers(0, 1 << 50),
        st.dictionaries(st.text(), st.text(), max_size=3),
        st.none() | st.just(Platform("linux", "arm", "v7")),
    )
)
def test_a_descriptor_reads_back_as_itself(descriptor: Descriptor) -> None:
    """to_json and from_json are inverse."""
    assert Descriptor.from_json(json.loads(canonical_json(descriptor.to_json())), "it") == descriptor
