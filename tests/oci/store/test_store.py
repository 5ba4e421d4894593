"""The store: what it gives back is what was put, and a reader sees all of it or nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_ci.errors import BlobNotFound, DigestMismatch, ImageError, StoreError
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.image import MANIFEST, Descriptor, Index, Platform
from airbyte_ci.oci.store.store import REF_NAME, Store, action_key
from airbyte_ci.testing.images import random_image, random_index

DATA = b"some bytes" * 1000
DIGEST = Digest.of(DATA)
_FIXED = ("oci-layout", "lock", "sessions")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files(store: Store) -> set[str]:
    """Every file of the store except its fixed ones and its locks."""
    found = {path.relative_to(store.root) for path in store.root.rglob("*") if path.is_file()}
    return {str(path) for path in found if path.suffix != ".lock" and path.parts[0] not in _FIXED}


def damage(path: Path) -> None:
    """Changes one bit, as a failing disk would."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.binary(max_size=5000))
def test_what_was_put_is_given_back(store: Store, data: bytes) -> None:
    """By its digest, whole or in pieces, with its size; putting it again changes nothing."""
    digest = store.put(data)
    assert digest == Digest.of(data)
    assert store.put(data) == digest
    assert store.read(digest) == data
    with store.open(digest) as reader:
        assert b"".join(chunks(reader, 7)) == data
    assert store.size(digest) == len(data)


def test_a_blob_is_at_its_place_in_an_image_layout(store: Store) -> None:
    """Other tools may read the store: blobs/sha256/<hex>, read-only for all, and the layout's version."""
    store.put(DATA)
    place = store.root / "blobs" / "sha256" / DIGEST.hex
    assert place.read_bytes() == DATA
    assert place.stat().st_mode & 0o777 == 0o444
    assert (store.root / "oci-layout").read_text() == '{"imageLayoutVersion":"1.0.0"}'


def test_a_blob_that_is_not_there_is_named(store: Store) -> None:
    """has, size, open and read agree; the error carries the digest."""
    assert not store.has(DIGEST)
    for question in (store.size, store.open, store.read):
        with pytest.raises(BlobNotFound, match=DIGEST.hex):
            question(DIGEST)


@pytest.mark.parametrize("how", ["bit", "short", "long", "empty"])
def test_a_damaged_blob_is_never_given_back_whole(store: Store, how: str) -> None:
    """Reading to the end raises DigestMismatch, whole or in pieces, with advice."""
    store.put(DATA)
    place = store.path(DIGEST)
    if how == "bit":
        damage(place)
    else:
        place.chmod(0o644)
        place.write_bytes({"short": DATA[:-1], "long": DATA + b"x", "empty": b""}[how])
    with pytest.raises(DigestMismatch) as caught:
        store.read(DIGEST)
    assert caught.value.advice
    with store.open(DIGEST) as reader, pytest.raises(DigestMismatch):
        list(chunks(reader, 100))


@pytest.mark.parametrize("wrong", [b"", DATA[:-1], DATA + b"x"], ids=["empty", "short", "long"])
def test_unexpected_bytes_are_not_kept(store: Store, wrong: bytes) -> None:
    """A writer that expects a digest or a size leaves nothing when it gets another."""
    for expectation in ({"expected": DIGEST}, {"size": len(DATA)}):
        with pytest.raises(DigestMismatch), store.writer(**expectation) as writer:
            writer.write(wrong)
    assert files(store) == set()


def test_a_write_that_fails_leaves_nothing_and_keeps_its_error(store: Store) -> None:
    """The block's own error passes as it is, even one of the operating system's (a broken connection)."""
    with pytest.raises(ConnectionResetError), store.writer() as writer:
        writer.write(DATA)
        raise ConnectionResetError("the other side hung up")
    assert files(store) == set()


def test_nothing_is_visible_before_the_end(store: Store) -> None:
    """A blob appears when its writer's block ends, not earlier."""
    with store.writer() as writer:
        writer.write(DATA)
        assert not store.has(DIGEST)
    assert store.has(DIGEST)
    assert files(store) == {f"blobs/sha256/{DIGEST.hex}"}


def test_what_is_remembered_is_made_once(store: Store) -> None:
    """The result is made again only for other inputs, another version or kind, or if a named blob is gone."""
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"number": len(made)}

    assert store.reuse("kind", 1, "x", make) == store.reuse("kind", 1, "x", make) == {"number": 1}
    assert store.reuse("kind", 1, "y", make) == {"number": 2}
    assert store.reuse("kind", 2, "x", make) == {"number": 3}
    assert store.reuse("other", 1, "x", make) == {"number": 4}
    assert store.reuse("kind", 1, inputs="x", make=make, is_whole=lambda known: known["number"] > 1) == {"number": 5}
    assert store.reuse("kind", 1, "x", make) == {"number": 5}


def test_an_action_is_remembered(store: Store) -> None:
    """The same key gives the value, another one nothing; a later value replaces an earlier."""
    key, other = action_key("a", 1, {"x": [1]}), action_key("a", 2, {"x": [1]})
    assert store.recall(key) is None
    store.remember(key, {"value": "é", "list": [1, None]})
    assert store.recall(key) == {"value": "é", "list": [1, None]}
    assert store.recall(other) is None
    store.remember(key, {"value": 2})
    assert store.recall(key) == {"value": 2}


def test_keys_are_over_kind_version_and_inputs() -> None:
    """Each of the three makes another key; the order of an object's keys does not."""
    keys = {
        action_key("a", 1, {"x": 1, "y": 2}),
        action_key("a", 1, {"y": 2, "x": 1}),
        action_key("b", 1, {"x": 1, "y": 2}),
        action_key("a", 2, {"x": 1, "y": 2}),
        action_key("a", 1, {"x": 1, "y": 3}),
    }
    assert len(keys) == 4


@pytest.mark.parametrize("how", ["bit", "empty", "cut", "garbage"])
def test_a_damaged_action_counts_as_unknown(store: Store, how: str) -> None:
    """After any damage to the file, the work is done again instead of a crash or a wrong result."""
    key = action_key("a", 1, {})
    store.remember(key, {"value": 1, "other": "x" * 100})
    place = store.root / "actions" / key.hex[:2] / key.hex
    whole = place.read_bytes()
    if how == "bit":
        damage(place)
    else:
        place.write_bytes({"empty": b"", "cut": whole[:80], "garbage": os.urandom(200)}[how])
    assert store.recall(key) is None
    store.remember(key, {"value": 2})
    assert store.recall(key) == {"value": 2}


def test_names_stand_for_manifests(store: Store) -> None:
    """A name is found again, can be moved, and does not disturb the others; the index is an OCI index."""
    first, second = (Descriptor(MANIFEST, store.put(bytes([n])), 1, {"k": "v"}) for n in range(2))
    assert store.resolve("acme/x:dev") is None
    assert store.names() == ()
    store.tag("acme/x:dev", first)
    store.tag("acme/y:dev", first)
    store.tag("acme/x:dev", second)
    assert store.names() == ("acme/x:dev", "acme/y:dev")
    for name, descriptor in (("acme/x:dev", second), ("acme/y:dev", first)):
        found = store.resolve(name)
        assert found is not None
        assert found.digest == descriptor.digest
        assert found.annotations == {"k": "v", REF_NAME: name}
    index = Index.parse((store.root / "index.json").read_bytes(), "index.json")
    assert len(index.manifests) == 2


def test_a_broken_index_is_named(store: Store) -> None:
    """The error carries the file, since a person must look at it."""
    (store.root / "index.json").write_text("{")
    with pytest.raises(ImageError, match=r"index\.json"):
        store.resolve("a")


def test_images_are_read_by_the_digest_of_their_manifest(store: Store) -> None:
    """Manifest and configuration come back as their bytes; a missing part is a BlobNotFound."""
    image = random_image(store, seed=3)
    assert store.image(image.digest) == image
    assert store.manifest(image.digest) == image.manifest
    store.path(image.manifest.config.digest).unlink()
    with pytest.raises(BlobNotFound, match=image.manifest.config.digest.hex):
        store.image(image.digest)


def test_an_index_is_not_an_image(store: Store) -> None:
    """Asking for an index as an image is an ImageError; as a manifest it is given back."""
    index = random_index(store, (Platform("linux", "amd64"), Platform("linux", "arm64")))
    assert store.manifest(index.digest) == index
    with pytest.raises(ImageError):
        store.image(index.digest)


def test_a_blob_that_is_no_manifest_is_an_image_error(store: Store) -> None:
    """Bytes that were put as something else do not become an image."""
    digest = store.put(DATA)
    with pytest.raises(ImageError, match=digest.hex):
        store.image(digest)


def test_an_existing_store_is_opened_as_it_is(store: Store) -> None:
    """Opening again keeps everything; there is no state but the folder."""
    store.put(DATA)
    assert Store(store.root).read(DIGEST) == DATA


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/airbyte-ci"])
def test_a_home_that_cannot_be_one_is_one_clear_error(tmp_path: Path, place: str) -> None:
    """The error names the folder and the variable that moves it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="opening the store at") as caught:
        Store(tmp_path / place)
    assert "AIRBYTE_CI_HOME" in str(caught.value)


@pytest.mark.parametrize("part", ["manifest", "configuration"])
def test_an_image_is_read_again_after_any_change(tmp_path: Path, part: str) -> None:
    """What a manifest or a configuration means is kept until its file changes, and never given for a lost file."""
    store = Store(tmp_path / "store")
    image = random_image(store)
    first = store.image(image.digest)
    again = store.image(image.digest)
    assert (again.manifest, again.config) == (image.manifest, image.config)
    assert again.manifest is first.manifest
    place = store.path(image.digest if part == "manifest" else image.manifest.config.digest)
    damage(place)
    with pytest.raises(DigestMismatch):
        store.image(image.digest)
    place.unlink()
    with pytest.raises(BlobNotFound):
        store.image(image.digest)


def test_what_is_verified_is_read_again_after_any_change(tmp_path: Path) -> None:
    """A blob that this store wrote or verified is taken as it is until its file changes, times and modes included."""
    store = Store(tmp_path / "store")
    digest = store.put(b"whole")
    path = store.verified(digest)
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"other")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DigestMismatch):
        store.verified(digest)
    path.write_bytes(b"whole")
    assert store.verified(digest) == Store(tmp_path / "store").verified(digest) == path
    path.unlink()
    with pytest.raises(BlobNotFound):
        store.verified(digest)


def test_names_of_other_processes_stay(store: Store) -> None:
    """A store remembers its names as long as nobody else changes them."""
    image = random_image(store).manifest.descriptor
    other = Store(store.root)
    store.tag("a:1", image)
    other.tag("b:1", image)
    store.tag("c:1", image)
    assert store.names() == other.names() == ("a:1", "b:1", "c:1")
    other.untag("a:1")
    assert store.resolve("a:1") is None
    store.tag("c:1", image)
    assert store.names() == other.names() == ("b:1", "c:1")
