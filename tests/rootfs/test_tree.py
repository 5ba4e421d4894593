"""The tree: a stack of folders read as overlayfs shows it, checked against the kernel's own overlayfs."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_ci.errors import ImageError
from airbyte_ci.rootfs.tree import Tree, opaque_attribute


@pytest.fixture
def stack(tmp_path: Path) -> Tree:
    """Three layers, newest first."""
    layers = tuple(tmp_path / name for name in ("top", "middle", "bottom"))
    for layer in layers:
        layer.mkdir()
    return Tree(layers)


def put(layer: Path, path: str, content: str = "x") -> None:
    place = layer / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)


def white_out(layer: Path, path: str) -> None:
    place = layer / path
    place.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))


def test_the_newest_layer_wins(stack: Tree) -> None:
    """A file of a newer layer hides the older one; folders merge."""
    top, middle, bottom = stack.layers
    put(bottom, "d/a", "old")
    put(bottom, "d/b", "b")
    put(middle, "d/c", "c")
    put(top, "d/a", "new")
    assert stack.read("d/a") == b"new"
    assert stack.names("d") == ["a", "b", "c"]
    assert [node.path for node in stack.walk("")] == ["d", "d/a", "d/b", "d/c"]
    put(bottom, "d/tests/a", "x")
    assert [node.path for node in stack.walk("", {"tests", "b"})] == ["d", "d/a", "d/c"]


def test_whiteouts_and_opaque_folders_hide(stack: Tree) -> None:
    """A path that a newer layer removed is absent, whether one name or a whole folder."""
    top, middle, bottom = stack.layers
    put(bottom, "gone", "x")
    put(bottom, "d/old", "x")
    put(bottom, "d/sub/old", "x")
    white_out(middle, "gone")
    put(top, "d/new", "x")
    os.setxattr(top / "d", opaque_attribute(), b"y")
    assert stack.entry("gone") is None
    assert stack.names("") == ["d"]
    assert stack.names("d") == ["new"]
    assert stack.entry("d/sub/old") is None
    assert stack.names("d/sub") == []


def test_what_is_in_an_opaque_folder_is_closed_too(stack: Tree) -> None:
    """A folder inside an opaque one hides lower layers, although it is not opaque itself."""
    top, _, bottom = stack.layers
    put(bottom, "d/sub/old")
    put(top, "d/sub/new")
    os.setxattr(top / "d", opaque_attribute(), b"y")
    assert stack.names("d/sub") == ["new"]
    assert stack.entry("d/sub/old") is None


def test_a_file_between_two_folders_ends_the_merge(stack: Tree) -> None:
    """A folder that replaced a file that had replaced a folder is empty at first."""
    top, middle, bottom = stack.layers
    put(bottom, "x/old")
    put(middle, "x", "a file")
    put(top, "x/new")
    assert stack.names("x") == ["new"]
    assert stack.entry("x/old") is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/etc/passwd", "inside"),
        ("../../../../../etc/passwd", "inside"),
        ("../etc/passwd", "inside"),
        ("/etc/../etc/./passwd", "inside"),
        ("/nowhere", None),
        ("loop", ImageError),
    ],
)
def test_links_are_followed_inside_the_stack(stack: Tree, target: str, expected: object) -> None:
    """`..` and absolute targets end at the image's root, never in this machine's /etc."""
    put(stack.layers[2], "etc/passwd", "inside")
    link = stack.layers[0] / "d" / ("loop" if target == "loop" else "link")
    link.parent.mkdir()
    link.symlink_to(target)
    path = f"d/{link.name}"
    if expected is ImageError:
        with pytest.raises(ImageError, match="loop of symbolic links"):
            stack.read(path)
    else:
        assert stack.read(path) == (str(expected).encode() if expected else None)


def test_a_linked_folder_of_a_lower_layer_does_not_lead_out(stack: Tree) -> None:
    """A folder of a newer layer that is a link in an older one never lists this machine's folder of that name."""
    top, _, bottom = stack.layers
    (bottom / "host").symlink_to("/")
    put(top, "host/etc/mine")
    assert stack.names("host/etc") == ["mine"]
    assert stack.names("host") == ["etc"]


def test_only_regular_files_are_read(stack: Tree) -> None:
    """A device or a pipe in an image is never opened: it would be this machine's."""
    top = stack.layers[0]
    os.mkfifo(top / "pipe")
    os.mknod(top / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (top / "link").symlink_to("zero")
    (top / "folder").mkdir()
    assert [stack.read(name) for name in ("pipe", "zero", "link", "folder")] == [None] * 4


@pytest.mark.parametrize("path", ["n" * 300, "a/" * 3000, "é" * 200], ids=["name", "deep", "bytes"])
def test_a_path_that_no_file_can_have_is_not_there(stack: Tree, path: str) -> None:
    """The kernel's limit on names is no error: such a path does not exist."""
    assert stack.entry(path) is None
    assert stack.read(path) is None


_STEP = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["file", "dir", "opaque", "whiteout"]),
    st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_STEP, max_size=14))
def test_the_tree_is_what_overlayfs_shows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, str]]
) -> None:
    """For any three layers: the same paths and the same contents as a mount of them."""
    root = tmp_path_factory.mktemp("overlay")
    layers = tuple(root / str(number) for number in range(3))
    for layer in layers:
        layer.mkdir()
    for number, kind, path in steps:
        _step(layers[number], kind, path, f"{number}{kind}{path}")
    (root / "mounted").mkdir()
    lower = ":".join(map(str, layers))
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}", root / "mounted"], check=True)
    try:
        expected = {
            str(path.relative_to(root / "mounted")): path.read_text() if path.is_file() else "/"
            for path in (root / "mounted").rglob("*")
            if os.path.lexists(path)  # a folder that is not merged lists its idle whiteouts
        }
    finally:
        subprocess.run(["umount", root / "mounted"], check=True)
    tree = Tree(layers)
    found = {node.path: "/" if node.is_dir else (tree.read(node.path) or b"").decode() for node in tree.walk("")}
    assert found == expected
    for path in ("a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b"):
        assert (tree.entry(path) is not None) == (path in expected)


def _step(layer: Path, kind: str, path: str, content: str) -> None:
    place = layer / path
    if os.path.lexists(place) or any(parent.exists() and not parent.is_dir() for parent in place.parents):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        place.write_text(content)
    elif kind == "whiteout":
        os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))
    else:
        place.mkdir()
        if kind == "opaque":
            os.setxattr(place, opaque_attribute(), b"y")
