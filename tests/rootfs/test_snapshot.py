"""Snapshots: layers become folders that overlayfs can stack, with all properties of the layers."""

import gzip
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.image import LAYER_TAR, Descriptor
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import snapshot
from tests.rootfs.layers import Member, archive, device, file, folder, hard, link, member, put, shown, unpack, whiteout

CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


BASE = [folder("d"), file("d/a", b"a"), file("d/b", b"b"), folder("d/sub"), file("d/sub/c", b"c"), file("f", b"f")]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        pytest.param([file("f", b"2")], {"f": "2", "d": "/", "d/a": "a"}, id="a file is replaced"),
        pytest.param([whiteout(".wh.f")], {"f": None, "d/a": "a"}, id="whiteout of a file"),
        pytest.param([whiteout("d/.wh.sub")], {"d/sub": None, "d/sub/c": None, "d/a": "a"}, id="whiteout of a folder"),
        pytest.param(
            [folder("d"), whiteout("d/.wh..wh..opq"), file("d/new")],
            {"d": "/", "d/new": "new", "d/a": None, "d/sub": None},
            id="opaque folder",
        ),
        pytest.param(
            [file("d/new"), whiteout("d/.wh..wh..opq")], {"d/new": "new", "d/a": None}, id="opaque after its content"
        ),
        pytest.param(
            [whiteout("d/.wh.a"), whiteout("d/.wh..wh..opq"), file("d/b", b"2")],
            {"d/a": None, "d/b": "2", "d/sub": None},
            id="opaque and a whiteout in it",
        ),
        pytest.param(
            [file("d/x"), whiteout("d/.wh..wh..opq"), whiteout("d/.wh.a"), file("d/sub/x")],
            {"d/a": None, "d/x": "new", "d/sub/x": "new", "d/sub/c": None},
            id="opaque, then more in it",
        ),
        pytest.param([whiteout(".wh..wh..opq"), file("f", b"2")], {"f": "2", "d": None, "d/a": None}, id="opaque root"),
        pytest.param([whiteout(".wh.f"), file("f", b"2")], {"f": "2"}, id="whiteout, then the file again"),
        pytest.param([file("f", b"2"), whiteout(".wh.f")], {"f": "2"}, id="the file, then its whiteout"),
        pytest.param(
            [whiteout(".wh.d"), folder("d"), file("d/b", b"2")],
            {"d": "/", "d/b": "2", "d/a": None, "d/sub": None},
            id="whiteout, then the folder again",
        ),
        pytest.param(
            [folder("d"), file("d/b", b"2"), whiteout(".wh.d")],
            {"d": "/", "d/b": "2", "d/a": None, "d/sub": None},
            id="the folder, then its whiteout",
        ),
        pytest.param(
            [whiteout(".wh.d"), file("d/b", b"2")],
            {"d/b": "2", "d/a": None},
            id="whiteout, then a file below without its folder",
        ),
        pytest.param([folder("f"), file("f/x")], {"f": "/", "f/x": "new"}, id="a file becomes a folder"),
        pytest.param([file("d", b"2")], {"d": "2", "d/a": None}, id="a folder becomes a file"),
        pytest.param(
            [file("d", b"2"), folder("d"), file("d/x")],
            {"d": "/", "d/x": "new", "d/a": None},
            id="a folder becomes a file and a folder again",
        ),
        pytest.param([link("d", "f")], {"d": "→ f", "d/a": None}, id="a folder becomes a link"),
        pytest.param([file("n/e/w")], {"n": "/", "n/e": "/", "n/e/w": "new"}, id="folders that are not named"),
        pytest.param([whiteout(".wh.nothing"), whiteout("x/.wh.y")], {"nothing": None, "f": "f"}, id="idle whiteouts"),
        pytest.param([file("./f", b"2"), file("/d//a", b"3")], {"f": "2", "d/a": "3"}, id="odd spellings"),
        pytest.param([hard("g", "f")], {"g": "f", "f": "f"}, id="hard link to a file below"),
        pytest.param(
            [file("x"), hard("y", "x"), hard("z", "y")], {"x": "new", "y": "new", "z": "new"}, id="hard links"
        ),
        pytest.param([link("l", "f"), hard("m", "l")], {"l": "→ f", "m": "→ f"}, id="hard link to a link"),
        pytest.param([member("p", tarfile.FIFOTYPE)], {"p": ""}, id="a pipe"),
        pytest.param([file("f", b"1"), file("f", b"2")], {"f": "2"}, id="the same file twice"),
        pytest.param([file(".wh.f", b"with content")], {"f": None}, id="a whiteout may have content"),
        pytest.param([link(".wh.f", "d/a")], {"f": None, "d/a": "a"}, id="a link named like a whiteout"),
        pytest.param(
            [link("x", "d"), whiteout(".wh.x"), whiteout("x/.wh.a")],
            {"x": "→ d", "d/a": None, "d/b": "b"},
            id="a link is its own layer's, and a whiteout below it goes through",
        ),
        pytest.param([link("f", "/d/a"), file("f", b"2")], {"f": "2", "d/a": "a"}, id="a link becomes a file"),
    ],
)
def test_a_layer_changes_what_is_below(store: Store, layer: list[Member], expected: dict[str, str | None]) -> None:
    """Entries, whiteouts and opaque folders have the meaning of the image specification, in any order."""
    stack = unpack(store, BASE, layer)
    found = shown(stack)
    assert {path: found.get(path) for path in expected} == expected
    assert found == _mounted(stack.tree.layers)


def _mounted(layers: tuple[Path, ...]) -> dict[str, str]:
    """The same stack as the kernel shows it."""
    place = layers[0].parent / "mounted"
    place.mkdir()
    options = "lowerdir=" + ":".join(str(layer) for layer in layers)
    if len(layers) == 1:
        options += f":{place}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, place], check=True)
    try:
        return {str(path.relative_to(place)): _what(path) for path in place.rglob("*")}
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def _what(path: Path) -> str:
    status = path.lstat()  # every name that is listed can be looked up
    if stat.S_ISLNK(status.st_mode):
        return f"→ {path.readlink()}"
    if stat.S_ISDIR(status.st_mode):
        return "/"
    return path.read_text() if stat.S_ISREG(status.st_mode) else ""


def test_owners_modes_and_attributes_are_kept(store: Store) -> None:
    """set-user-ID, set-group-ID and sticky bits, numeric owners, capabilities and other attributes."""
    attributes = {
        "SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1"),
        "SCHILY.xattr.user.note": "é",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
    }
    stack = unpack(
        store,
        [
            file("su", mode=0o4755, uid=0, gid=5),
            file("sg", mode=0o2755, uid=7, gid=70_000),
            folder("tmp", mode=0o1777),
            folder("shared", mode=0o2770, gid=9),
            file("none", mode=0o000),
            file("ping", mode=0o755, pax_headers=attributes),
            link("l", "su", uid=3, gid=4),
        ],
    )
    statuses = {node.path: node.status for node in stack.tree.walk("")}
    assert {path: (stat.S_IMODE(s.st_mode), s.st_uid, s.st_gid) for path, s in statuses.items() if path != "l"} == {
        "su": (0o4755, 0, 5),
        "sg": (0o2755, 7, 70_000),
        "tmp": (0o1777, 0, 0),
        "shared": (0o2770, 0, 9),
        "none": (0o000, 0, 0),
        "ping": (0o755, 0, 0),
    }
    assert (statuses["l"].st_uid, statuses["l"].st_gid) == (3, 4)
    ping = stack.tree.layers[0] / "ping"
    assert os.getxattr(ping, "security.capability") == CAPABILITY
    assert os.getxattr(ping, "user.note") == "é".encode()
    assert not any(name.startswith("trusted") for name in os.listxattr(ping))


def test_a_hard_link_to_a_file_below_keeps_all_it_is(store: Store) -> None:
    """The copy has the owner, mode and capabilities of its target, although a change of owner takes them away."""
    attributes = {"SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1")}
    base = [file("a", mode=0o6755, uid=5, gid=6), file("ping", mode=0o755, uid=5, pax_headers=attributes)]
    stack = unpack(store, base, [hard("b", "a"), hard("pong", "ping")])
    status = (stack.tree.layers[0] / "b").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o6755, 5, 6)
    assert os.getxattr(stack.tree.layers[0] / "pong", "security.capability") == CAPABILITY


def test_hard_links_of_one_layer_are_one_file(store: Store) -> None:
    """They share an inode, as in the image."""
    top = unpack(store, [file("a"), hard("b", "a")]).tree.layers[0]
    assert (top / "a").stat().st_ino == (top / "b").stat().st_ino


def test_folders_that_are_copied_up_stay_as_they_were(store: Store) -> None:
    """A file put into a folder of a lower layer does not change that folder's owner and mode."""
    stack = unpack(store, [folder("d", mode=0o1775, uid=4, gid=5), folder("d/e", mode=0o700, uid=6)], [file("d/e/f")])
    for path, expected in (("d", (0o1775, 4, 5)), ("d/e", (0o700, 6, 0))):
        status = (stack.tree.layers[0] / path).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == expected


def test_links_in_a_parents_place_are_followed_inside(store: Store) -> None:
    """`lib/x` in an image whose lib is a link to usr/lib is usr/lib/x (merged /usr)."""
    stack = unpack(
        store, [folder("usr/lib"), link("lib", "usr/lib"), link("abs", "/usr")], [file("lib/x"), file("abs/y")]
    )
    assert shown(stack) == {
        "abs": "→ /usr",
        "lib": "→ usr/lib",
        "usr": "/",
        "usr/lib": "/",
        "usr/lib/x": "new",
        "usr/y": "new",
    }


def test_the_root_keeps_its_owner_and_mode(store: Store) -> None:
    """An entry for the root applies, and later layers without one do not change it."""
    stack = unpack(store, [folder(".", mode=0o711, uid=3)], [file("x")])
    for layer in stack.tree.layers:
        assert (stat.S_IMODE(layer.stat().st_mode), layer.stat().st_uid) == (0o711, 3)


def test_the_umask_does_not_show(store: Store) -> None:
    """A careful user's umask must not make an image's folders unreadable."""
    before = os.umask(0o077)
    try:
        stack = unpack(store, [file("a/b/c")], [file("a/b/d"), folder("x/y")])
    finally:
        os.umask(before)
    for layer in stack.tree.layers:
        assert stat.S_IMODE(layer.stat().st_mode) == 0o755
    assert {
        node.path: stat.S_IMODE(node.status.st_mode) for node in stack.tree.walk("") if node.is_dir
    } == dict.fromkeys(("a", "a/b", "x", "x/y"), 0o755)


def test_names_may_be_long_or_not_utf8(store: Store) -> None:
    """Every name that Linux allows keeps its bytes."""
    names = ["n" * 255, "é" * 120, "caf\udce9", "new\nline", " ", "-rf", "*"]
    found = shown(unpack(store, [file(name) for name in names]))
    assert sorted(found) == sorted(names)


def test_devices_are_made(store: Store) -> None:
    """Old images contain their own /dev."""
    stack = unpack(
        store,
        [device("null", 1, 3), device("disk", 8, 0, tarfile.BLKTYPE), device("zero-block", 0, 0, tarfile.BLKTYPE)],
    )
    status = stack.tree.entry("null")
    assert status is not None
    assert (stat.S_ISCHR(status.status.st_mode), status.status.st_rdev) == (True, os.makedev(1, 3))


def test_uncompressed_layers_and_padding_count(store: Store) -> None:
    """A plain tar is a layer too, and what follows its end marker belongs to the diffID."""
    tar = archive([file("a")]) + b"\0" * 20_000
    digest = store.put(tar)
    _, diff_id = put(store, tar)
    stack = snapshot.unpack(store, [(Descriptor(LAYER_TAR, digest, len(tar)), diff_id)])
    assert shown(stack) == {"a": "new"}


def test_a_tar_without_an_end_marker_is_read(store: Store) -> None:
    """Some writers leave it out."""
    whole = archive([file("a")])
    assert shown(snapshot.unpack(store, [put(store, whole[:1024])])) == {"a": "new"}


def test_several_gzip_members_are_one_layer(store: Store) -> None:
    """Our own layers are made that way; zeros between and after them are padding."""
    tar = archive([file("a", os.urandom(3000))])
    blob = gzip.compress(tar[:700], mtime=0) + bytes(200_000) + gzip.compress(tar[700:], mtime=0) + bytes(512)
    _, diff_id = put(store, tar)
    stack = snapshot.unpack(store, [(Descriptor(LAYER_TAR, store.put(blob), len(blob)), diff_id)])
    assert stack.tree.names("") == ["a"]


def test_a_layer_is_unpacked_once(store: Store) -> None:
    """The same layers give the same folders, and nothing is written for them again."""
    first, second = [file("a")], [file("b")]
    stack = unpack(store, first, second)
    inodes = [(layer / name).stat().st_ino for layer, name in zip(stack.tree.layers, "ba", strict=True)]
    assert unpack(store, first, second) == stack
    assert unpack(store, first).tree.layers[0] == stack.tree.layers[1]
    assert [(layer / name).stat().st_ino for layer, name in zip(stack.tree.layers, "ba", strict=True)] == inodes


def test_a_missing_blob_is_named_and_nothing_is_made(store: Store) -> None:
    """BlobNotFound, so that the caller can fetch it."""
    descriptor, diff_id = put(store, archive([file("a")]))
    store.path(descriptor.digest).unlink()
    with pytest.raises(BlobNotFound, match=descriptor.digest.hex):
        snapshot.unpack(store, [(descriptor, diff_id)])
    assert list((store.root / "snapshots").iterdir()) == []


def test_processes_unpack_the_same_layer_together(store: Store) -> None:
    """Four at once: one does the work, all see the whole of it, and no rest remains."""
    content = os.urandom(2_000_000)
    descriptor, diff_id = put(store, archive([file(f"f{n}", content) for n in range(20)]))
    script = (
        "import sys; from pathlib import Path; from airbyte_ci.rootfs import snapshot;"
        "from airbyte_ci.oci.digest import Digest; from airbyte_ci.oci.image import Descriptor;"
        "from airbyte_ci.oci.store.store import Store;"
        f"descriptor = Descriptor('x', Digest({descriptor.digest.hex!r}), {descriptor.size});"
        f"stack = snapshot.unpack(Store(Path({str(store.root)!r})), [(descriptor, Digest({diff_id.hex!r}))]);"
        "print(sum(node.status.st_size for node in stack.tree.walk('')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1])}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        for _ in range(4)
    ]
    outputs = [process.communicate() for process in processes]
    assert [out for out, _ in outputs] == [b"40000000\n"] * 4, outputs
    folders = [path for path in (store.root / "snapshots").iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_an_interrupted_unpacking_is_begun_anew(store: Store) -> None:
    """The files of a killed process do not disturb later ones."""
    place = unpack(store, [file("a")]).tree.layers[0]
    place.rename(place.with_name(f".{place.name}.partial"))
    (place.with_name(f".{place.name}.partial") / "half").write_text("x")
    assert shown(unpack(store, [file("a")])) == {"a": "new"}
