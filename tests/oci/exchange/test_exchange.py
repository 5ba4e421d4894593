"""Stores are exported and imported: what travels, in which order, and what a hostile file can do."""

import json
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_ci.errors import AirbyteCiError, StoreError, UsageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.exchange import archive
from airbyte_ci.oci.exchange.contents import ResultKinds, choose
from airbyte_ci.oci.exchange.load import load
from airbyte_ci.oci.exchange.save import export
from airbyte_ci.oci.image import BASE_DIGEST, Descriptor, Manifest, Platform, canonical_json
from airbyte_ci.oci.layer import Segment, layer_of, make_segment
from airbyte_ci.oci.store.check import check
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.oci.tar import Entry
from airbyte_ci.testing.images import random_image

KINDS = ResultKinds(making={"image", "layer", "wheel"}, naming={"known"})
WHEEL = b"a wheel" * 1000


@dataclass(frozen=True)
class Filled:
    """A store as two builds leave it: a base image, an image on it, a wheel, its segment, and a layer."""

    store: Store
    base: Digest
    image: Digest
    segment: Segment


def _fill(root: Path) -> Filled:
    store = Store(root)
    base = random_image(store, seed=1, platform=Platform("linux", "amd64"), size=100_000)
    layer = layer_of(store, [Entry(path="code", content=os.urandom(100_000))])
    layers = (*base.manifest.layers, layer.descriptor)
    made = Manifest.make(base.manifest.config, layers, {BASE_DIGEST: str(base.digest)})
    store.put(made.raw)
    wheel = store.put(WHEEL)
    segment = make_segment(store, [Entry(path="site/module.py", content=b"x = 1\n" * 20_000)])
    store.remember(action_key("image", 1, "plan"), {"manifest": str(made.digest)})
    store.remember(action_key("wheel", 1, {"wheel": wheel.hex}), {"segment": segment.to_json()})
    store.remember(action_key("layer", 1, {"segments": [str(segment.raw)]}), {"layer": layer.to_json()})
    store.remember(action_key("known", 1, {}), {"text": "é\n"})
    store.remember(action_key("trusted base image", 1, {}), {"verified": True})
    store.remember(Digest.of(b"of an earlier version"), {"verified": True})
    return Filled(store, base.digest, made.digest, segment)


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    return _fill(tmp_path / "filled")


@pytest.fixture
def file(filled: Filled, tmp_path: Path) -> Path:
    export(filled.store, tmp_path / "file.tar", KINDS, limit=None)
    return tmp_path / "file.tar"


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other")


def test_what_an_image_needs_is_found_through_every_step(filled: Filled, tmp_path: Path) -> None:
    """From the image's documents to its layers, and to the actions that made them or are about them."""
    store = filled.store
    sdist, wheel, other = (store.put(name * 1000) for name in (b"an sdist", b"built", b"another sdist"))
    segment = store.put(b"a segment")
    layer = layer_of(store, [Entry(path="site/package", content=b"x")])
    plan = store.put(canonical_json({"packages": [{"sha256": sdist.hex}]}))
    base = filled.base
    annotations = {"plan": str(plan), BASE_DIGEST: str(base)}
    image = Manifest.make(store.image(base).manifest.config, (layer.descriptor,), annotations)
    store.put(image.raw)
    actions: dict[Digest, dict[str, Any]] = {
        action_key("image", 1, str(plan)): {"manifest": str(image.digest)},
        action_key("wheel", 1, {"sdist": sdist.hex}): {"wheel": wheel.hex},
        action_key("wheel", 2, {"wheel": wheel.hex}): {"segment": str(segment)},
        action_key("layer", 1, {"segments": [str(segment)]}): {"layer": layer.to_json()},
        action_key("known", 2, {"file": wheel.hex}): {"text": "about the wheel"},
        action_key("known", 3, {"hashes": [sdist.hex, "f" * 64]}): {"sha256": sdist.hex},
    }
    for key, value in actions.items():
        store.remember(key, value)
    of_another = action_key("wheel", 1, {"sdist": other.hex})
    store.remember(of_another, {"wheel": store.put(b"other built").hex})
    choice = choose(store, KINDS, None, with_results=True, images=[image.digest])
    base_blobs = {item.digest.hex for item in store.image(base).manifest.layers}
    needed = {plan, sdist, wheel, segment, layer.descriptor.digest, image.digest, base}
    taken = {part.name for part in choice.parts if part.is_action}
    assert taken >= {key.hex for key in actions}
    assert not {of_another.hex, action_key("image", 1, "plan").hex} & taken
    found = {part.name for part in choice.parts if not part.is_action}
    assert found >= {item.hex for item in needed} | base_blobs
    assert not {other.hex, filled.image.hex, filled.segment.compressed.hex} & found


def test_an_import_has_all_that_was_exported(filled: Filled, file: Path, other: Store, tmp_path: Path) -> None:
    """An export of the importing store has the same bytes; a second import adds nothing."""
    first = load(other, file, KINDS, with_results=True)
    assert (first.actions, first.known) == (4, 0)
    assert other.holds(other.image(filled.image))
    assert other.read(Digest.of(WHEEL)) == WHEEL
    assert other.recall(action_key("known", 1, {})) == {"text": "é\n"}
    again = load(other, file, KINDS, with_results=True)
    assert (again.blobs, again.actions, again.known) == (0, 0, first.blobs + first.actions)
    export(other, tmp_path / "again.tar", KINDS, limit=None)
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()
    assert check(other).damages == ()


def test_other_tar_readers_find_an_image_layout(file: Path) -> None:
    """The file is an OCI image layout: each blob has the digest that names it, and the index names artifacts."""
    with tarfile.open(file) as opened:
        contents = {item.name: opened.extractfile(item).read() for item in opened if item.isreg()}  # type: ignore[union-attr]  # regular files have contents
    index = json.loads(contents.pop("index.json"))
    assert json.loads(contents.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    assert all(name == archive.place(Digest.of(content)) for name, content in contents.items())
    for item in index["manifests"]:
        manifest = json.loads(contents[archive.place(Digest.parse(item["digest"]))])
        assert manifest["artifactType"] == item["artifactType"]
        for blob in (manifest["config"], *manifest["layers"]):
            assert len(contents[archive.place(Digest.parse(blob["digest"]))]) == blob["size"]


def test_without_trust_only_downloads_are_imported(filled: Filled, file: Path, other: Store) -> None:
    """Packages and whole base images are added; layers, images and actions of builds are not."""
    found = load(other, file, KINDS, with_results=False)
    assert other.holds(other.image(filled.base))
    assert other.has(Digest.of(WHEEL))
    assert not other.has(filled.image)
    assert found.ignored
    assert list((other.root / "actions").glob("*/*")) == []


def test_kinds_that_are_not_listed_stay(filled: Filled, tmp_path: Path, other: Store) -> None:
    """A verdict of this machine is neither exported nor imported, and no action is taken for one of another kind."""
    export(filled.store, tmp_path / "file", KINDS, limit=None)
    assert b"trusted base image" not in (tmp_path / "file").read_bytes()
    every = ResultKinds(making=KINDS.making, naming={"known", "trusted base image"})
    export(filled.store, tmp_path / "file", every, limit=None)
    assert b"trusted base image" in (tmp_path / "file").read_bytes()
    load(other, tmp_path / "file", KINDS, with_results=True)
    assert other.recall(action_key("trusted base image", 1, {})) is None
    assert other.recall(Digest.of(b"of an earlier version")) is None


def test_actions_of_the_store_are_kept(file: Path, other: Store) -> None:
    """An import never replaces what this machine has stored."""
    other.remember(action_key("known", 1, {}), {"text": "of this machine"})
    load(other, file, KINDS, with_results=True)
    assert other.recall(action_key("known", 1, {})) == {"text": "of this machine"}


def test_raw_segments_are_made_again_when_they_are_needed(filled: Filled, file: Path, other: Store) -> None:
    """The file has a segment only compressed; a segment whose bytes are others is not in the store."""
    load(other, file, KINDS, with_results=True)
    segment = filled.segment
    assert not other.path(segment.raw).exists()
    assert segment.in_store(other)
    assert other.read(segment.raw) == filled.store.read(segment.raw)
    for wrong in (Segment(Digest.of(b""), segment.raw_size, segment.compressed, segment.size), _shorter(segment)):
        assert not wrong.in_store(other)
    assert not Segment(Digest.of(b"x"), 1, other.put(b"no gzip"), 7).in_store(other)


def _shorter(segment: Segment) -> Segment:
    return Segment(Digest.of(b"y"), 1, segment.compressed, segment.size)


@pytest.mark.parametrize("limit", [20_000, 120_000, 250_000, 400_000])
def test_a_limit_is_kept_and_the_best_comes_first(limit: int, filled: Filled, tmp_path: Path) -> None:
    """The file is never larger than the limit; base images come before layers, and layers before packages."""
    made = export(filled.store, tmp_path / "file", KINDS, limit=limit)
    assert (tmp_path / "file").stat().st_size == made.size <= limit
    everything = export(filled.store, tmp_path / "all", KINDS, limit=None)
    total = everything.downloads + everything.results + everything.actions
    assert made.downloads + made.results + made.actions + made.left_out == total
    assert made.actions == 4
    other = Store(tmp_path / "other")
    load(other, tmp_path / "file", KINDS, with_results=True)
    assert other.has(filled.image) == (limit > 20_000)
    assert other.has(Digest.of(WHEEL)) <= other.has(filled.base)


def test_the_last_used_is_worth_most(tmp_path: Path) -> None:
    """Of two layers only one fits: the one that was used last."""
    store = Store(tmp_path / "store")
    layers = [store.put(os.urandom(200_000)) for _ in range(2)]
    for number, layer in enumerate(layers):
        store.remember(action_key("layer", 1, number), {"digest": str(layer)})
    moment = time.time() - 1000
    os.utime(store.path(layers[0]), (moment, moment))
    export(store, tmp_path / "file", KINDS, limit=300_000)
    assert layers[1].hex.encode() in (tmp_path / "file").read_bytes()
    other = Store(tmp_path / "other")
    load(other, tmp_path / "file", KINDS, with_results=True)
    assert [other.has(layer) for layer in layers] == [False, True]
    export(store, tmp_path / "file", KINDS, limit=None, since=moment + 1)
    load(Store(tmp_path / "third"), tmp_path / "file", KINDS, with_results=True)
    assert [Store(tmp_path / "third").has(layer) for layer in layers] == [False, True]


def test_an_export_marks_no_use(filled: Filled, tmp_path: Path) -> None:
    """Times of use stay, so that the next collection removes the same; an impossible limit is wrong usage."""
    places = [path for name in ("actions", "blobs") for path in (filled.store.root / name).rglob("*")]
    moment = time.time() - 10_000
    for path in places:
        os.utime(path, (moment, moment))
    export(Store(filled.store.root), tmp_path / "file", KINDS, limit=None)
    assert {path.stat().st_mtime for path in places} == {moment}
    with pytest.raises(UsageError, match="too small"):
        export(filled.store, tmp_path / "file", KINDS, limit=1)


def test_a_failed_export_keeps_the_old_file(filled: Filled, file: Path) -> None:
    """A damaged blob ends the export; the file is the earlier one, and nothing else is left."""
    before = file.read_bytes()
    blob = filled.store.path(Digest.of(WHEEL))
    blob.chmod(0o644)
    blob.write_bytes(WHEEL[:-1] + b"!")
    with pytest.raises(AirbyteCiError, match="was changed on disk"):
        export(filled.store, file, KINDS, limit=None)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir() if "file.tar" in path.name] == ["file.tar"]


# --- hostile files -------------------------------------------------------------------------------


def _entry(name: str, content: bytes = b"", kind: tar.Kind = "file", link: str = "") -> Entry:
    return Entry(path=name, content=content, kind=kind, link=link)


def _tar(path: Path, *entries: Entry) -> None:
    with path.open("wb") as target:
        tar.write(entries, target)
        target.write(tar.END)


def _layout(path: Path, manifests: Mapping[str, bytes], *blobs: bytes) -> None:
    """A layout with these artifact manifests by their type."""
    listed = [
        {**Descriptor(archive.BLOB, Digest.of(raw), len(raw)).to_json(), "artifactType": kind}
        for kind, raw in manifests.items()
    ]
    documents = [_entry("oci-layout", b"{}"), _entry("index.json", canonical_json({"manifests": listed}))]
    contents = (*manifests.values(), *blobs)
    _tar(path, *documents, *(_entry(archive.place(Digest.of(content)), content) for content in contents))


def _artifact(kind: str, *blobs: bytes) -> bytes:
    layers = [Descriptor(kind, Digest.of(blob), len(blob)).to_json() for blob in blobs]
    return canonical_json({"config": layers[0], "layers": layers})


def _records(*lines: object) -> Callable[[Path], None]:
    """A file whose actions are these lines."""
    raw = b"".join(line if isinstance(line, bytes) else canonical_json(line) + b"\n" for line in lines)
    return lambda path: _layout(path, {archive.RESULTS: _artifact(archive.RECORDS, raw)}, raw)


def _link(path: Path) -> None:
    _tar(path, _entry("oci-layout"), _entry("index.json", kind="symlink", link="/etc/passwd"))


def _sparse(path: Path) -> None:
    with path.open("wb") as target:
        target.truncate(3 << 30)


def _newer(path: Path) -> None:
    _layout(path, {archive.RESULTS.replace(".v1", ".v2"): b"{}"})


def _other_bytes(path: Path) -> None:
    manifest = _artifact(archive.BLOB, b"right")
    listed = {**Descriptor(archive.BLOB, Digest.of(manifest), len(manifest)).to_json()}
    index = canonical_json({"manifests": [{**listed, "artifactType": archive.DOWNLOADS}]})
    places = [archive.place(Digest.of(item)) for item in (manifest, b"right")]
    blobs = (_entry(places[0], manifest), _entry(places[1], b"wrong"))
    _tar(path, _entry("oci-layout", b"{}"), _entry("index.json", index), *blobs)


ORIGIN = {"action": "known", "version": 1, "inputs": {}}
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "No such file"),
    "a folder": (Path.mkdir, "Is a directory"),
    "a pipe": (os.mkfifo, "not a regular file"),
    "an empty file": (Path.touch, "not an export"),
    "a text": (lambda path: path.write_text("no tar at all\n" * 1000), "not an export"),
    "a sparse file": (_sparse, "sparse"),
    "another tar": (lambda path: _tar(path, _entry("etc/passwd", b"root")), "not an export"),
    "a path outside": (lambda path: _tar(path, _entry("../../etc/passwd", b"root")), "not an export"),
    "a link": (_link, "not an export"),
    "a file twice": (lambda path: _tar(path, _entry("index.json"), _entry("index.json")), "not an export"),
    "a long name": (lambda path: _tar(path, _entry("a" * 5000, b"x")), "not an export"),
    "an image": (lambda path: _layout(path, {"application/vnd.oci.image.config.v1+json": b"{}"}), "not an export"),
    "a newer format": (_newer, "it has format 2, and this version of airbyte-ci reads format 1"),
    "no JSON": (lambda path: _tar(path, _entry("oci-layout"), _entry("index.json", b"[")), "not JSON"),
    "a blob of other bytes": (_other_bytes, "does not match its digest"),
    "a manifest that lacks its blob": (
        lambda path: _layout(path, {archive.DOWNLOADS: _artifact(archive.BLOB, b"lost")}),
        "it lacks sha256:",
    ),
    "a large index": (
        lambda path: _tar(path, _entry("oci-layout"), _entry("index.json", b" " * (5 << 20))),
        "too large",
    ),
    "an action that is no object": (_records(["x"]), "damaged"),
    "an action without an origin": (_records({"value": {}}), "damaged"),
    "an action with a list as its value": (_records({"origin": ORIGIN, "value": []}), "another form"),
    "an action with more in its origin": (_records({"origin": {**ORIGIN, "x": 1}, "value": {}}), "another form"),
    "an action of a kind that is a list": (_records({"origin": {**ORIGIN, "action": []}, "value": {}}), "damaged"),
    "a deep action": (_records(b'{"origin":' + b"[" * 100_000 + b"\n"), "damaged"),
    "an action without an end": (_records(b'{"origin":{}'), "ends early"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_error(kind: str, other: Store, tmp_path: Path) -> None:
    """It is refused with its name and the reason; the store has no action, and no damage."""
    make, expected = HOSTILE[kind]
    path = tmp_path / "hostile.tar"
    make(path)
    with pytest.raises(StoreError, match=expected) as caught:
        load(other, path, KINDS, with_results=True)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert list((other.root / "actions").glob("*/*")) == []
    assert list((other.root / "ingest").iterdir()) == []
    assert check(other).damages == ()


def _broken(raw: bytes) -> Iterator[bytes]:
    yield from (raw[:size] for size in (1, 511, 512, 1024, len(raw) // 2, len(raw) - 1024 - 1))


def test_a_file_that_ends_early_is_refused_before_anything_is_stored(file: Path, other: Store) -> None:
    """A file of any smaller size is refused as a whole."""
    for part in _broken(file.read_bytes()):
        file.write_bytes(part)
        with pytest.raises(StoreError, match=r"ends early|not an export|damaged"):
            load(other, file, KINDS, with_results=True)
        assert list((other.root / "blobs" / "sha256").iterdir()) == []


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("raw")
    export(_fill(folder / "store").store, folder / "file", KINDS, limit=None)
    return (folder / "file").read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_refused_or_harmless(raw: bytes, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever bytes change, all that is stored has its digest, and each stored action is one of the original."""
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1) | st.integers(0, 12_000))
        changed[place] = data.draw(st.integers(0, 255))
    path, other = tmp_path / "changed.tar", Store(tmp_path / "other")
    path.write_bytes(changed)
    try:
        load(other, path, KINDS, with_results=True)
    except StoreError as error:
        assert str(path) in error.message
    assert check(other).damages == ()
    values = [other.recorded(item) for item in (other.root / "actions").glob("*/*")]
    assert all(item and b"".join(item) and item[0] in raw and item[1] in raw for item in values)


def test_a_file_is_read_in_little_memory_and_never_followed(file: Path, other: Store, tmp_path: Path) -> None:
    """A link to the file is read; the store's files are its own, and only its owner can write them."""
    (tmp_path / "link.tar").symlink_to(file)
    load(other, tmp_path / "link.tar", KINDS, with_results=True)
    blob = other.path(Digest.of(WHEEL)).lstat()
    assert stat.S_ISREG(blob.st_mode)
    assert stat.S_IMODE(blob.st_mode) == 0o444
