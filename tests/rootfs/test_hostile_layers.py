"""Hostile layers: each ends in an ImageError or inside the image, never outside, and leaves no half snapshot."""

import gzip
import os
import struct
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from airbyte_ci.errors import DigestMismatch, ImageError, StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import archive as archive_module
from airbyte_ci.rootfs import snapshot, unpacking
from tests.rootfs.layers import (
    Member,
    archive,
    device,
    file,
    folder,
    hard,
    link,
    member,
    outside,
    put,
    shown,
    unpack,
    whiteout,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("untouched")
    return Store(tmp_path / "store")


def leftovers(store: Store) -> list[str]:
    """The entries of snapshots, except locks."""
    return [path.name for path in (store.root / "snapshots").iterdir() if not path.name.endswith(".lock")]


REFUSED: dict[str, list[Member]] = {
    "parent": [file("../escape")],
    "parent in the middle": [file("a/../../escape")],
    "parent at the end": [folder("a/..")],
    "NUL in a pax name": [file("a", pax_headers={"path": "a\0b"})],
    "NUL in a link": [link("a", "b", pax_headers={"linkpath": "b\0c"})],
    "NUL in an attribute's name": [file("a", pax_headers={"SCHILY.xattr.user.a\0b": "x"})],
    "link without target": [link("a", "")],
    "link too long": [link("a", "t" * 5000)],
    "name too long": [file("n" * 300)],
    "path too long": [file("d" * 200 + ("/" + "d" * 200) * 30)],
    "path too deep": [folder("d/" * 1500)],
    "link loop as parent": [link("a", "b"), link("b", "a"), file("a/x")],
    "file as parent": [file("a"), file("a/x")],
    "link to a file as parent": [file("f"), link("a", "f"), file("a/x")],
    "hard link to nothing": [hard("a", "nothing")],
    "hard link to itself": [hard("a", "a")],
    "hard link to the parent": [hard("a", "../../../../etc/passwd")],
    "hard link to outside": [hard("a", "/etc/passwd")],
    "hard link to a folder": [folder("d"), hard("a", "d")],
    "hard link through a link": [link("x", "/"), hard("a", "x/etc/passwd")],
    "device 0:0": [device("a", 0, 0)],
    "device 0:0 over a file": [file("a"), device("a", 0, 0)],
    "whiteout of nothing": [whiteout(".wh.")],
    "whiteout of the folder": [folder("d"), whiteout("d/.wh..")],
    "whiteout of the parent": [folder("d"), whiteout("d/.wh...")],
    "unknown kind": [member("a", b"Z")],
    "owner beyond 32 bits": [file("a", uid=2**40)],
    "negative owner": [file("a", uid=-2)],
    "negative size": [file("a", pax_headers={"size": "-1024"})],
    "size without content": [file("a", pax_headers={"size": "100000"})],
    "pax header without end": [file("a", pax_headers={"comment": "x" * (2 << 20)})],
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_image_says_is_refused(store: Store, tmp_path: Path, case: str) -> None:
    """An ImageError, nothing left in snapshots, nothing written outside; and the store still works."""
    before = outside(tmp_path, store)
    with pytest.raises(ImageError):
        unpack(store, REFUSED[case])
    assert leftovers(store) == []
    assert outside(tmp_path, store) == before
    assert shown(unpack(store, [file("after")])) == {"after": "new"}


def test_a_symlink_out_of_the_image_stays_inside(store: Store, tmp_path: Path) -> None:
    """`x -> /`, then `x/y`: y lands in the image's root, in one layer or over two."""
    victim = str(tmp_path / "victim")
    before = outside(tmp_path, store)
    for target in (victim, "../../../../../../../.." + victim, "/proc/self/root" + victim, "/"):
        one = unpack(store, [link("x", target), file("x/file", b"hostile")])
        two = unpack(store, [link("x", target), file("pad")], [file("x/file", b"hostile")])
        for stack in (one, two):
            assert stack.tree.read("x/file") == b"hostile"
    assert outside(tmp_path, store) == before
    assert (tmp_path / "victim" / "file").read_text() == "untouched"


@pytest.mark.parametrize(
    "attack",
    [
        [whiteout("x/.wh.file")],
        [whiteout("x/.wh..wh..opq")],
        [folder("x/sub", mode=0o777), file("x/sub/f")],
        [link("x/l", "/etc/passwd")],
        [file("x/file", mode=0o4755)],
        [member("x/pipe", tarfile.FIFOTYPE)],
        [folder("x", mode=0o700)],
        [folder("x/.", mode=0o700)],
        [file("x", b"was a link")],
        [link("x/file", "y"), file("x/file/deeper")],
    ],
    ids=[
        "whiteout",
        "opaque",
        "folder",
        "link",
        "file",
        "pipe",
        "dir over link",
        "dir through link",
        "file over",
        "two",
    ],
)
@pytest.mark.parametrize("layers", [1, 2])
def test_no_kind_of_entry_follows_a_link_out(store: Store, tmp_path: Path, attack: list[Member], layers: int) -> None:
    """Paths through a link to a folder of this machine do not change that folder."""
    victim = tmp_path / "victim"
    victim.chmod(0o750)
    setup = [link("x", str(victim))]
    unpack(store, setup + attack) if layers == 1 else unpack(store, setup, attack)
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == "untouched"
    assert victim.stat().st_mode & 0o7777 == 0o750
    assert "trusted.overlay.opaque" not in os.listxattr(victim)


def test_a_folder_that_becomes_a_link_is_no_folder_any_more(store: Store, tmp_path: Path) -> None:
    """Earlier files of the folder prove nothing about its place, nor about the folders below it."""
    before = outside(tmp_path, store)
    victim = str(tmp_path / "victim")
    known = [file("x/y/z/a"), hard("x/y/z/b", "x/y/z/a"), whiteout("x/y/.wh.c")]
    for way in ([link("x", victim)], [file("x/y/z/a"), file("x"), link("x", victim)], [link("x/y", victim)]):
        top = unpack(store, [folder("x/y/z")], [*known, *way, file("x/y/z/file", b"hostile"), file("x/y/file")])
        assert top.tree.read("x/y/z/file") == b"hostile"
        assert top.tree.read("x/y/file") == b"new"
    assert outside(tmp_path, store) == before


@pytest.mark.parametrize("name", [".", "/", "./", "//", "./."])
def test_the_root_cannot_be_replaced(store: Store, name: str) -> None:
    """umoci CVE-2021-29136: an entry for the root that is a link changes nothing."""
    stack = unpack(store, [link(name, "/etc"), file("passwd", b"inside")])
    assert shown(stack) == {"passwd": "inside"}
    assert not stack.tree.layers[0].is_symlink()


def test_a_hard_link_does_not_open_a_device_of_a_lower_layer(store: Store) -> None:
    """Copying `disk` would read this machine's disk into the image."""
    with pytest.raises(ImageError, match="hard link"):
        unpack(store, [device("zero", 1, 5)], [hard("stolen", "zero")])
    with pytest.raises(ImageError, match="hard link"):
        unpack(store, [member("pipe", tarfile.FIFOTYPE)], [hard("stolen", "pipe")])


def test_a_layer_that_grows_without_end_is_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gzip bomb ends at the limit."""
    monkeypatch.setattr(archive_module, "_SIZE_LIMIT", 5 << 20)
    with pytest.raises(ImageError, match="unpacks to more than"):
        unpack(store, [file("bomb", b"\0" * (6 << 20))])
    with pytest.raises(ImageError, match="unpacks to more than"):
        tar = archive([file("a")]) + b"\0" * (6 << 20)
        snapshot.unpack(store, [put(store, tar)])
    assert leftovers(store) == []


def test_a_sparse_file_is_counted_by_what_it_unpacks_to(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One kilobyte that represents terabytes of zeros is a bomb too."""
    monkeypatch.setattr(archive_module, "_SIZE_LIMIT", 5 << 20)
    headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": "0,1",
    }
    with pytest.raises(ImageError, match="unpacks to more than"):
        unpack(store, [file("sparse", b"x", pax_headers=headers)])
    assert leftovers(store) == []


def test_entries_without_end_are_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry costs an inode."""
    monkeypatch.setattr(unpacking, "_ENTRY_LIMIT", 10)
    with pytest.raises(ImageError, match="more than 10 entries"):
        unpack(store, [file(str(number)) for number in range(11)])
    assert leftovers(store) == []


def test_headers_before_headers_without_end_are_an_image_error(store: Store) -> None:
    """Each pax header is read by one more call of Python's reader."""
    one = archive([file("a", pax_headers={"comment": "x"})])[:1024]
    with pytest.raises(ImageError):
        snapshot.unpack(store, [put(store, one * 3000)])


def test_depth_through_links_is_limited_too(store: Store) -> None:
    """Folders below a link to deep folders below a link …: cleaning up must still be possible."""
    deep = "d/" * 150
    with pytest.raises(ImageError, match="folders"):
        unpack(
            store, [folder(deep), link("x", deep), folder("x/" + deep)], [link("y", "x/" + deep), folder("y/" + deep)]
        )


def _gzipped(tar: bytes) -> bytes:
    return gzip.compress(tar, mtime=0)


TAR = archive([file("a", os.urandom(5000)), file("b", b"b" * 3000)])
_BROKEN_DEFLATE = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 50


@pytest.mark.parametrize(
    "blob",
    [
        _gzipped(TAR)[:-1],
        _gzipped(TAR)[:-9],
        _gzipped(TAR)[:3000],
        _gzipped(TAR)[:5],
        _gzipped(TAR)[:-8] + struct.pack("<II", 1, len(TAR)),
        _gzipped(TAR) + b"garbage",
        _gzipped(TAR[:3000]) + _BROKEN_DEFLATE,
        _BROKEN_DEFLATE,
        TAR[:1500],
        TAR[:600],
        TAR[:100],
        b"",
        b"not a tar at all" * 100,
        b"(\xb5/\xfd" + b"\0" * 600,
        TAR[:6656] + b"x" * 512 + TAR[6656:],
        TAR[:6656] + b"short",
    ],
    ids=[
        "gzip without its last byte",
        "gzip without its trailer",
        "gzip cut in a file",
        "gzip cut in its header",
        "gzip with a wrong checksum",
        "garbage after gzip",
        "a broken second member",
        "broken deflate",
        "tar cut in a file",
        "tar cut after a header",
        "tar cut in a header",
        "nothing",
        "text",
        "zstd",
        "garbage between entries",
        "half a header",
    ],
)
def test_damaged_archives_are_image_errors(store: Store, blob: bytes) -> None:
    """Never a shorter image, never another exception, and no rest."""
    try:
        plain = gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
    except (OSError, EOFError, zlib.error):
        plain = TAR
    layer = (Descriptor(LAYER_GZIP, store.put(blob), len(blob)), Digest.of(plain))
    with pytest.raises(ImageError):
        snapshot.unpack(store, [layer])
    assert leftovers(store) == []


def test_a_layer_that_is_not_its_diff_id_is_refused(store: Store) -> None:
    """The configuration is verified even if the blob matches the manifest."""
    descriptor, _ = put(store, TAR)
    with pytest.raises(DigestMismatch, match="does not match its diffID"):
        snapshot.unpack(store, [(descriptor, Digest("1" * 64))])
    assert leftovers(store) == []


def test_a_disk_that_fills_up_is_a_store_error_and_leaves_nothing(tmp_path: Path) -> None:
    """An error of the disk is not reported as an error of the image."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m,nr_inodes=200", "test-snapshots", place], check=True)
    try:
        store = Store(place / "home")
        layer = put(store, archive([file(str(number)) for number in range(300)]))
        with pytest.raises(StoreError, match="No space left"):
            snapshot.unpack(store, [layer])
        assert leftovers(store) == []
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)  # this process keeps the store's session file
