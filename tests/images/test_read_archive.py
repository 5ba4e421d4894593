"""Saved images are read whatever tool saved them, and nothing in them is believed."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from airbyte_ci.errors import AirbyteCiError, DigestMismatch, ImageError, UsageError
from airbyte_ci.images import archive, read_archive
from airbyte_ci.oci.image import Image, Index
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import snapshot
from airbyte_ci.testing.images import AMD64, random_image

Files = dict[str, bytes]


@pytest.fixture
def source(tmp_path: Path) -> tuple[Store, Image]:
    store = Store(tmp_path / "source")
    return store, random_image(store, layers=2)


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store(tmp_path / "target")


def _save(path: Path, files: Files, links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as saved:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            saved.addfile(member, io.BytesIO(content))
        for name, link in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, link
            saved.addfile(member)
    return path


def _plain_layers(store: Store, image: Image) -> list[bytes]:
    """The layers as Docker saves them: without compression."""
    import gzip

    return [gzip.decompress(store.read(layer.digest)) for layer in image.manifest.layers]


def test_an_oci_archive_is_read_with_its_digest(source: tuple[Store, Image], target: Store, tmp_path: Path) -> None:
    """An archive of ours, and the same as a folder, give the same manifest and layers."""
    store, image = source
    with (tmp_path / "image.tar").open("wb") as file:
        archive.write(store, image, ["acme/sample:dev"], file)
    read = read_archive.read(target, tmp_path / "image.tar", AMD64)
    assert read.digest == image.digest and target.holds(read)
    with tarfile.open(tmp_path / "image.tar") as saved:
        saved.extractall(tmp_path / "layout", filter="data")
    assert read_archive.read(Store(tmp_path / "other"), tmp_path / "layout", AMD64).digest == image.digest


def test_what_docker_saves_is_read(source: tuple[Store, Image], target: Store, tmp_path: Path) -> None:
    """Docker's form before and after version 25: plain layers, of which equal ones may be links to the first."""
    store, image = source
    one, other = _plain_layers(store, image)
    config = image.config.raw
    listed = json.dumps([{"Config": "c.json", "RepoTags": ["a:b"], "Layers": ["1/layer.tar", "2/layer.tar"]}]).encode()
    files = {"manifest.json": listed, "c.json": config, "x/layer.tar": one, "2/layer.tar": other}
    saved = _save(tmp_path / "docker.tar", files, {"1/layer.tar": "../x/layer.tar"})
    read = read_archive.read(target, saved, AMD64)
    assert read.config.raw == config
    assert snapshot.unpack(target, read.layers).tree.names("random") == ["0", "1"]


@pytest.mark.parametrize(
    ("files", "kind", "reason"),
    [
        ({"other": b"x"}, UsageError, "neither index.json"),
        ({"manifest.json": b"[]"}, UsageError, "has 0 images"),
        ({"manifest.json": b'[{"Config": "../../c.json", "Layers": []}]'}, ImageError, "configuration in"),
        ({"manifest.json": b'{"a": 1}'}, AirbyteCiError, "cannot read the image"),
        ({"index.json": b"{}"}, ImageError, "index"),
        ({"index.json": Index.make((), {}).raw}, UsageError, "has 0 images"),
    ],
)
def test_other_archives_are_refused(
    files: Files, kind: type[AirbyteCiError], reason: str, target: Store, tmp_path: Path
) -> None:
    """What is no saved image is one error that names the file, and nothing else of this machine is read."""
    with pytest.raises(kind, match=reason):
        read_archive.read(target, _save(tmp_path / "bad.tar", files), AMD64)


def test_a_file_of_another_kind_is_refused(target: Store, tmp_path: Path) -> None:
    """A text file, an empty file and a damaged archive are one line each."""
    for content in (b"text\n", b"", b"\x1f\x8b damaged"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(AirbyteCiError) as caught:
            read_archive.read(target, tmp_path / "file", AMD64)
        assert str(tmp_path / "file") in caught.value.message and "\n" not in caught.value.message


def test_a_blob_with_other_bytes_is_refused(source: tuple[Store, Image], target: Store, tmp_path: Path) -> None:
    """A layer whose bytes do not have its digest is not stored."""
    store, image = source
    with (tmp_path / "image.tar").open("wb") as file:
        archive.write(store, image, ["acme/sample:dev"], file)
    with tarfile.open(tmp_path / "image.tar") as saved:
        saved.extractall(tmp_path / "layout", filter="data")
    layer = tmp_path / "layout/blobs/sha256" / image.manifest.layers[0].digest.hex
    layer.chmod(0o644)
    layer.write_bytes(b"other")
    with pytest.raises(DigestMismatch):
        read_archive.read(target, tmp_path / "layout", AMD64)
    assert not target.has(image.manifest.layers[0].digest)


def test_a_folder_is_not_left(target: Store, tmp_path: Path) -> None:
    """A link in a layout's folder leads to no file of this machine."""
    (tmp_path / "layout").mkdir()
    (tmp_path / "secret").write_bytes(b"{}")
    (tmp_path / "layout/index.json").symlink_to("../secret")
    with pytest.raises(UsageError, match="neither"):
        read_archive.read(target, tmp_path / "layout", AMD64)
