"""Sharing: a layer is unpacked once for all stacks over which it is the same, and no stack shows another image."""

import contextlib
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_ci.errors import ImageError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import asked
from airbyte_ci.rootfs.snapshot import Stack
from tests.rootfs.layers import Member, file, folder, hard, link, shown, unpack, whiteout

Layers = Sequence[list[Member]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


USR = [folder("usr"), folder("usr/lib")]
WHEEL = [file("usr/lib/wheel/a"), file("usr/lib/wheel/b")]


@pytest.mark.parametrize(
    ("one", "other", "top", "shared"),
    [
        pytest.param([USR], [USR, [file("usr/lib/more"), file("b")]], WHEEL, True, id="other files beside"),
        pytest.param([USR], [USR, [link("usr/lib/wheel/x", "/")]], [folder("usr/lib/wheel"), *WHEEL], True, id="named"),
        pytest.param([USR], [[*USR, folder("usr/lib/wheel", uid=1)]], WHEEL, False, id="only one has the folder"),
        pytest.param([USR], [[folder("usr"), folder("usr/lib", uid=7)]], WHEEL, False, id="another owner"),
        pytest.param([USR], [[folder("usr"), folder("usr/lib", mode=0o700)]], WHEEL, False, id="another mode"),
        pytest.param([USR], [[folder(".", mode=0o700), *USR]], WHEEL, False, id="another root"),
        pytest.param([USR], [USR, [whiteout("usr/.wh.lib")]], WHEEL, False, id="removed in one"),
        pytest.param(
            [[folder("usr", uid=3), *USR[1:]]], [[folder("usr", uid=3)], [whiteout(".wh.usr")]], WHEEL, False, id="gone"
        ),
        pytest.param(
            [[*USR, folder("lib")]], [[*USR, link("lib", "usr/lib")]], [file("lib/x")], False, id="a link on the way"
        ),
        pytest.param(
            [[*USR, link("lib", "usr/lib")]],
            [[*USR, link("lib", "/usr/lib")]],
            [file("lib/x")],
            False,
            id="links that are spelled differently",
        ),
        pytest.param([[file("a")]], [[folder("a")]], [whiteout(".wh.a")], True, id="a whiteout of anything"),
        pytest.param([[file("a")]], [[file("b")]], [whiteout(".wh.a")], False, id="a whiteout of nothing"),
        pytest.param([[file("a")]], [[file("a", b"2")]], [whiteout(".wh..wh..opq")], True, id="all names removed"),
        pytest.param([[file("a")]], [[file("b")]], [whiteout(".wh..wh..opq")], False, id="other names removed"),
        pytest.param([[file("a")]], [[file("a", b"2")]], [hard("h", "a")], False, id="a copy of a file below"),
        pytest.param([[file("a")]], [[file("b")]], [file("x"), hard("y", "x")], True, id="a hard link of its own"),
        pytest.param([[file("a")]], [[file("b")]], [link("x", "a")], True, id="a link that nothing passes"),
    ],
)
def test_a_layer_is_shared_where_it_is_the_same(
    store: Store, tmp_path: Path, one: Layers, other: Layers, top: list[Member], shared: bool
) -> None:
    """By the properties of lower layers that unpacking depends on; each stack equals one that was unpacked alone."""
    stacks = [unpack(store, *below, top) for below in (one, other)]
    assert (stacks[0].tree.layers[0] == stacks[1].tree.layers[0]) is shared
    for number, below in enumerate((one, other)):
        assert _seen(stacks[number]) == _seen(unpack(Store(tmp_path / f"alone{number}"), *below, top))


def test_a_file_in_a_folders_place_is_refused_although_another_stack_has_the_layer(store: Store) -> None:
    """A layer that cannot be unpacked over a stack is not reused from another one."""
    unpack(store, USR, WHEEL)
    with pytest.raises(ImageError, match="not a folder"):
        unpack(store, [folder("usr"), file("usr/lib")], WHEEL)


def test_a_layer_that_an_image_has_twice_is_two_folders(store: Store) -> None:
    """overlayfs refuses the same folder twice."""
    stack = unpack(store, USR, WHEEL, [whiteout("usr/.wh.lib")], USR, WHEEL)
    assert len(set(stack.tree.layers)) == 5
    assert _seen(stack)["usr/lib/wheel/a"]


def test_what_was_forgotten_or_collected_is_made_again_in_its_place(store: Store) -> None:
    """A collection may take the folder, or the memory of how it was made, or both."""
    before = unpack(store, USR, WHEEL)
    for lost in (["actions"], ["snapshots"], ["actions", "snapshots"]):
        for name in lost:
            shutil.rmtree(store.root / name)
            (store.root / name).mkdir()
        after = unpack(store, USR, WHEEL)
        assert (after, shown(after)) == (
            before,
            {"usr": "/", "usr/lib": "/"}
            | dict.fromkeys(["usr/lib/wheel"], "/")
            | dict.fromkeys(["usr/lib/wheel/a", "usr/lib/wheel/b"], "new"),
        )
        folders = [path for path in (store.root / "snapshots").iterdir() if path.is_dir()]
        assert sorted(folders) == sorted(before.tree.layers)


def test_many_questions_make_a_layer_depend_on_all_below(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is shared by equal stacks only."""
    monkeypatch.setattr(asked, "_MOST", 3)
    below, top = [file(name) for name in "abcdef"], [whiteout(f".wh.{name}") for name in "abcde"]
    one, again = (unpack(store, below, top) for _ in range(2))
    other = unpack(store, below, [file("x")], top)
    assert one == again
    assert one.tree.layers[0] != other.tree.layers[0]
    assert shown(one) == {"f": "new"}


def test_names_that_are_not_utf8_may_be_asked_about(store: Store) -> None:
    """Recording the questions keeps the bytes of their names."""
    name = "caf\udce9"
    below, top = [folder(name, uid=9), link("l", name)], [file("l/x"), whiteout(f"{name}/.wh.y")]
    first = unpack(store, below, top)
    assert unpack(store, below, top) == first
    assert unpack(store, below, [file("other")], top).tree.layers[0] == first.tree.layers[0]


_NAMES = ("a", "b", "a/a", "a/b", "b/a", "a/a/a", "l", "l/a", "l/b/a")
_NAME = st.sampled_from(_NAMES)
_MEMBER = st.one_of(
    st.builds(file, _NAME, st.sampled_from([b"1", b"2"])),
    st.builds(folder, _NAME, mode=st.sampled_from([0o755, 0o700]), uid=st.sampled_from([0, 0, 5])),
    st.builds(link, st.sampled_from(["l", "a", "a/b"]), st.sampled_from(["a", "/b", "../b", "b/a", "gone"])),
    st.builds(hard, _NAME, _NAME),
    st.builds(lambda name: whiteout(_marker(name)), _NAME),
    st.builds(lambda name: whiteout(f"{name}/.wh..wh..opq"), _NAME),
    st.just(whiteout(".wh..wh..opq")),
)
_LAYER = st.lists(_MEMBER, min_size=1, max_size=4)


def _marker(name: str) -> str:
    parent, slash, last = name.rpartition("/")
    return f"{parent}{slash}.wh.{last}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_LAYER, max_size=2), min_size=2, max_size=3), st.lists(_LAYER, min_size=1, max_size=2))
def test_a_shared_stack_is_what_it_would_be_alone(
    tmp_path_factory: pytest.TempPathFactory, stacks: list[Layers], tops: Layers
) -> None:
    """For any layers over any others, unpacked one after the other in one store: as the kernel shows each alone."""
    root = tmp_path_factory.mktemp("shared")
    store = Store(root / "together")
    for number, below in enumerate(stacks):
        alone = _tried(Store(root / str(number)), [*below, *tops])
        together = _tried(store, [*below, *tops])
        assert (together and _seen(together)) == (alone and _seen(alone))
    shutil.rmtree(root)


def _tried(store: Store, layers: Layers) -> Stack | None:
    with contextlib.suppress(ImageError):
        return unpack(store, *layers)
    return None


def _seen(stack: Stack) -> dict[str, tuple[int, int, int, str]]:
    """Every path as a mount of the stack shows it: kind and mode, owners, and what it holds."""
    place = stack.tree.layers[0].parent / "mounted"
    place.mkdir()
    (place.parent / "empty").mkdir()
    # A mount needs two folders.
    lower = ":".join(str(layer) for layer in (*stack.tree.layers, place.parent / "empty"))
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}", place], check=True)
    try:
        return {str(path.relative_to(place)): _what(path) for path in (place, *place.rglob("*"))}
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()
        (place.parent / "empty").rmdir()


def _what(path: Path) -> tuple[int, int, int, str]:
    status = path.lstat()
    held = ""
    if stat.S_ISLNK(status.st_mode):
        held = str(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        held = path.read_text()
    return status.st_mode, status.st_uid, status.st_gid, held
