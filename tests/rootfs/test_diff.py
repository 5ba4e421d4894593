"""The diff: what a command changed, all of it, and nothing that differs for another reason."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.rootfs import diff, snapshot
from airbyte_ci.rootfs.snapshot import Stack
from airbyte_ci.rootfs.tree import Tree
from tests.rootfs.layers import Member, file, folder, link, unpack

CAPABILITY = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

BASE: list[Member] = [
    folder("d"),
    file("d/a", b"a"),
    file("d/b", b"b"),
    folder("d/sub"),
    file("d/sub/c", b"c"),
    folder("empty"),
    file("f", b"f", mode=0o755, uid=5, gid=6),
    link("l", "f"),
    file("lib/m.py", b"1"),
    file("lib/n.py", b"1"),
    file("lib/__pycache__/m.cpython-311.pyc", b"m1"),
    file("lib/__pycache__/n.cpython-311.pyc", b"n1"),
    file("var/lib/apt/lists/old", b"list"),
    file("var/log/dpkg.log", b"log"),
    file("etc/hosts", b"hosts"),
]


class Overlay:
    """A real overlay mount of a stack; changes are made in `place`."""

    def __init__(self, store: Store, stack: Stack, folder: Path) -> None:
        self.store, self.stack = store, stack
        self.place, self.upper = folder / "place", folder / "upper"
        for name in ("place", "upper", "work"):
            (folder / name).mkdir(parents=True)
        lower = ":".join(map(str, stack.tree.layers))
        options = (
            f"lowerdir={lower},upperdir={self.upper},workdir={folder / 'work'},redirect_dir=off,metacopy=off,index=off"
        )
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.place], check=True)

    def changes(self, ignored: frozenset[str] = frozenset()) -> dict[str, Entry]:
        """Unmounts and gives the diff by path."""
        subprocess.run(["umount", self.place], check=True)
        found = diff.entries(self.upper, self.stack.tree, ignored)
        by_path = {entry.path: entry for entry in found}
        assert len(by_path) == len(found), "a path occurs twice"
        return by_path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def overlay(tmp_path: Path, store: Store) -> Iterator[Overlay]:
    made = Overlay(store, unpack(store, BASE), tmp_path / "overlay")
    yield made
    subprocess.run(["umount", "--quiet", made.place])


def do(command: str, place: Path) -> None:
    subprocess.run(["sh", "-ec", command], cwd=place, check=True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", set()),
        ("echo x > new", {"new"}),
        ("echo x > d/new", {"d", "d/new"}),
        ("mkdir -p n/e/w", {"n", "n/e", "n/e/w"}),
        ("mkdir d/sub/new", {"d", "d/sub", "d/sub/new"}),
        ("rm f", {".wh.f"}),
        ("rm d/a", {"d", "d/.wh.a"}),
        ("rm -r d", {".wh.d"}),
        ("rm -r d; mkdir d", {"d", "d/.wh..wh..opq"}),
        ("rm -r d; mkdir d; printf a > d/a", {"d", "d/.wh..wh..opq", "d/a"}),
        ("rm -r d; mkdir -p d/sub", {"d", "d/.wh..wh..opq", "d/sub"}),
        ("rm -r d; echo x > d", {"d"}),
        ("rm f; mkdir f; echo x > f/x", {"f", "f/x"}),
        ("mv d e", {".wh.d", "e", "e/a", "e/b", "e/sub", "e/sub/c"}),
        ("mv d/a d/z", {"d", "d/.wh.a", "d/z"}),
        ("echo x > t; rm t", set()),
        ("touch f d empty", set()),
        ("touch -d 2000-01-01 f l -h", set()),
        ("chmod 700 f; chmod 755 f", set()),
        ("chmod 700 d; chmod 755 d", set()),
        ("chown 0 f; chown 5 f; chmod 755 f", set()),
        ("cp -p f t; cat t > f; rm t", set()),
        ("printf g > f", {"f"}),
        ("chmod 700 f", {"f"}),
        ("chown 9 f", {"f"}),
        ("chmod 700 d", {"d"}),
        ("chgrp 9 empty", {"empty"}),
        ("ln -sfn g l", {"l"}),
        ("rm l; ln -s f l", set()),
        ("rm f; printf f > f; chown 5:6 f; chmod 755 f", set()),
        ("rm l; printf f > l", {"l"}),
        ("mkfifo p", {"p"}),
        ("mknod n c 1 3", {"n"}),
    ],
)
def test_what_changed_is_found_and_nothing_else(overlay: Overlay, command: str, expected: set[str]) -> None:
    """New, changed and removed paths with the folders that lead to them; touched or restored ones are dropped."""
    do(command, overlay.place)
    found = set(overlay.changes())
    # Whether overlayfs replaced or merged a folder that took a file's place is its own business.
    assert found - {"f/.wh..wh..opq"} == expected


@pytest.mark.parametrize(
    "command",
    [
        "mkdir -p var/log/apt; echo x > var/log/apt/history.log",
        "mkdir -p var/cache/apt/archives; echo x > var/cache/apt/pkgcache.bin; echo x > var/cache/apt/archives/a.deb",
        "echo x > var/lib/apt/lists/new; mkdir var/lib/apt/lists/partial",
        "echo x >> var/log/dpkg.log",
        "echo x > etc/hosts; echo x > etc/resolv.conf; echo x > etc/hostname; echo x > etc/machine-id",
        "mkdir -p var/lib/dpkg; echo x > var/lib/dpkg/status-old",
        "mkdir -p var/cache/ldconfig; echo x > var/cache/ldconfig/aux-cache",
        "echo x > etc/passwd-; echo x > etc/shadow-; touch etc/.pwd.lock",
        "mkdir -p root/.cache/pip/http; echo x > root/.cache/pip/http/y",
        "mkdir -p opt/x/__pycache__; echo x > opt/x/__pycache__/y.pyc",
        "mkdir -p proc dev sys run; echo x > run/pid; echo x > dev/x",
        "rm etc/hosts",
    ],
)
def test_noise_is_left_out(overlay: Overlay, command: str) -> None:
    """Logs, caches, lists, backups, byte code and the machine's own files do not reach the image; folders may."""
    do(command, overlay.place)
    assert [entry for entry in overlay.changes().values() if entry.kind != "dir"] == []


def test_removing_noise_removes_it(overlay: Overlay) -> None:
    """`rm -rf /var/lib/apt/lists/*` of the base's lists is a change like any other."""
    do("rm -rf var/lib/apt/lists/* var/log/dpkg.log", overlay.place)
    assert {path for path in overlay.changes() if ".wh." in path} == {
        "var/lib/apt/lists/.wh.old",
        "var/log/.wh.dpkg.log",
    }


@pytest.mark.parametrize(
    "command",
    [
        "echo 2 > lib/m.py",
        "echo m2 > lib/__pycache__/m.cpython-311.pyc",
        "rm lib/__pycache__/m.cpython-311.pyc",
        "echo 2 > lib/m.py; echo m2 > lib/__pycache__/m.cpython-311.pyc",
    ],
    ids=["source", "byte code", "removed", "both"],
)
def test_old_byte_code_does_not_outlive_its_source(overlay: Overlay, command: str) -> None:
    """Unchecked byte code of the base would be run in place of a module that a hook has patched."""
    do(command, overlay.place)
    found = {path for path in overlay.changes() if "__pycache__" in path and path != "lib/__pycache__"}
    assert found == {"lib/__pycache__/.wh.m.cpython-311.pyc"}


def test_byte_code_folders_made_anew_do_not_show_the_old_one(overlay: Overlay) -> None:
    """The new files are scrubbed, the old ones were removed: so none are left."""
    do("rm -r lib/__pycache__; mkdir lib/__pycache__; echo x > lib/__pycache__/m.cpython-311.pyc", overlay.place)
    assert {path for path in overlay.changes() if "__pycache__" in path} == {"lib/.wh.__pycache__"}


def test_entries_say_all_that_a_file_is(overlay: Overlay) -> None:
    """Mode with its special bits, owner, link, device, capabilities and user attributes; no label of this machine."""
    do("printf su > su; chown 5:6 su; chmod 6755 su; ln -s /x ln; mknod dev1 b 7 9; printf p > ping", overlay.place)
    os.setxattr(overlay.place / "ping", "security.capability", CAPABILITY)
    os.setxattr(overlay.place / "ping", "user.note", b"n")
    os.setxattr(overlay.place / "ping", "user.a=b", b"no spelling in a tar")
    os.setxattr(overlay.place / "ping", "security.selinux", b"host_label")
    found = overlay.changes()
    assert found["su"] == Entry(path="su", kind="file", mode=0o6755, content=overlay.upper / "su", uid=5, gid=6)
    assert found["ln"] == Entry(path="ln", kind="symlink", mode=0o777, link="/x")
    assert found["dev1"] == Entry(path="dev1", kind="block", mode=0o644, device=(7, 9))
    assert found["ping"].xattrs == {"security.capability": CAPABILITY, "user.note": b"n"}


def test_a_new_capability_alone_is_a_change(overlay: Overlay) -> None:
    """setcap on a file of the base."""
    os.setxattr(overlay.place / "f", "security.capability", CAPABILITY)
    assert overlay.changes()["f"].xattrs == {"security.capability": CAPABILITY}


def test_hard_links_are_one_file_and_links(overlay: Overlay) -> None:
    """The first by name is the file; the others carry its owner and mode, since some readers set them again."""
    do("printf x > z; ln z y; ln z d/x; chown 5:6 z; chmod 4755 z", overlay.place)
    found = overlay.changes()
    assert (found["d/x"].kind, found["y"].kind, found["z"].kind) == ("file", "hardlink", "hardlink")
    assert found["y"].link == found["z"].link == "d/x"
    for path in ("y", "z"):
        assert (found[path].mode, found[path].uid, found[path].gid, found[path].content) == (0o4755, 5, 6, b"")


def test_a_link_to_a_file_of_the_base_brings_its_content(overlay: Overlay) -> None:
    """The linked file itself was only copied up, so the link is a file in the layer."""
    do("ln f g", overlay.place)
    found = overlay.changes()
    assert set(found) == {"g"}
    assert (found["g"].kind, found["g"].mode, found["g"].uid) == ("file", 0o755, 5)


def test_what_was_lent_is_left_out_with_the_folders_made_for_it(overlay: Overlay) -> None:
    """A mount point and the folders above it are not changes; a new file next to it is."""
    do(
        "mkdir -p lent/deep; touch lent/deep/point; mkdir -p both/here; touch both/here/point; echo x > both/own",
        overlay.place,
    )
    found = overlay.changes(frozenset({"lent/deep/point", "both/here/point"}))
    assert set(found) == {"both", "both/own"}


def test_names_that_are_not_utf8_become_a_layer(overlay: Overlay) -> None:
    """A command may leave any name behind; the layer holds it and unpacks to it."""
    odd = "caf\udce9"
    (overlay.place / odd).write_text("x")
    (overlay.place / "new\nline").write_text("x")
    layer = layer_of(overlay.store, overlay.changes().values())
    stack = overlay.stack.push(overlay.store, layer.descriptor, layer.diff_id)
    assert {odd, "new\nline"} <= set(stack.tree.names(""))


def test_a_socket_or_an_idle_whiteout_is_nothing(tmp_path: Path) -> None:
    """Sockets have no kind in an archive; a whiteout of what is not below removes nothing."""
    import socket

    upper = tmp_path / "upper"
    upper.mkdir()
    os.mknod(upper / "gone", stat.S_IFCHR, os.makedev(0, 0))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(upper / "socket"))
        assert diff.entries(upper, Tree(()), frozenset()) == []


_NAMES = ["a", "b", "d", "d/a", "d/b", "d/sub", "d/sub/c", "f", "l", "n", "n/m"]
_ACTIONS = st.tuples(
    st.sampled_from(["write", "remove", "mkdir", "link", "hard", "move", "mode"]),
    st.sampled_from(_NAMES),
    st.sampled_from(_NAMES),
)


def _act(place: Path, kind: str, first: str, second: str) -> None:
    one, other = place / first, place / second
    try:
        if kind == "write":
            one.write_text(second)
        elif kind == "remove":
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
        elif kind == "mkdir":
            one.mkdir()
        elif kind == "link":
            one.symlink_to(second)
        elif kind == "hard":
            os.link(one, other, follow_symlinks=False)
        elif kind == "mode":
            one.chmod(0o711)
        elif not one.is_dir():
            one.rename(other)
    except OSError:
        pass  # what a shell would have refused as well


def _seen(stack: Stack) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in stack.tree.walk(""):
        what = "/" if node.is_dir else str(node.disk.readlink()) if node.is_link else node.disk.read_bytes()
        found[node.path] = (what, stat.S_IMODE(node.status.st_mode), node.status.st_uid, node.status.st_gid)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_ACTIONS, max_size=12))
def test_the_diff_on_top_of_the_base_is_what_the_command_saw(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str, str]]
) -> None:
    """For any actions: base and diff unpacked give the tree of base and upper folder."""
    folder_of_test = tmp_path_factory.mktemp("diff")
    store = Store(folder_of_test / "store")
    base = unpack(store, [item for item in BASE if "/" not in item[0].name or item[0].name.startswith("d/")])
    overlay = Overlay(store, base, folder_of_test / "overlay")
    try:
        for action in actions:
            _act(overlay.place, *action)
    finally:
        changes = overlay.changes()
    raw = Stack(Tree((overlay.upper, *base.tree.layers)))
    layer = layer_of(store, changes.values())
    assert _seen(base.push(store, layer.descriptor, layer.diff_id)) == _seen(raw)
    assert snapshot.unpack(store, []).tree.layers == ()
