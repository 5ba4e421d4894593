"""Nothing changed is found without reading what did not change, and is never wrong."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airbyte_ci.connectors import folder_files, leftovers
from airbyte_ci.hooks import module_root
from airbyte_ci.images import fingerprint
from airbyte_ci.images.fingerprint import Fingerprint, state_of_tool
from airbyte_ci.images.summary import Built, Memory
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.sources import trees
from airbyte_ci.python.wheels.collisions import Collision
from airbyte_ci.testing.images import random_image

LATER = 1 << 62


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A connector's folder with links: to a file in it, to one next to it, and to a missing file."""
    place = tmp_path / "connector"
    for name in ("metadata.yaml", "main.py", "source_x/__init__.py", "source_x/deep/run.py"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("text\n")
    (tmp_path / "beside.txt").write_text("text\n")
    (tmp_path / "other.txt").write_text("text\n")
    (place / "link").symlink_to("main.py")
    (place / "outside").symlink_to("../beside.txt")
    (place / "dangling").symlink_to("../not-yet.txt")
    return place


def _rewrite(path: Path, text: str) -> None:
    """Other bytes of the same size, and the old time of modification put back."""
    before = path.stat()
    assert len(text) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(path: Path) -> None:
    before = path.stat()
    new = path.with_name("new")
    new.write_text("TEXT\n")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)


def _retarget(link: Path, target: str) -> None:
    before = link.lstat()
    link.unlink()
    link.symlink_to(target)
    os.utime(link, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


def _swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def _edit_twin(path: Path, twin: Path) -> None:
    twin.hardlink_to(path)
    _rewrite(twin, "TEXT\n")


CHANGES: dict[str, Callable[[Path], object]] = {
    "touched": lambda folder: (folder / "main.py").touch(),
    "another time": lambda folder: os.utime(folder / "main.py", (1, 1)),
    "edited, same size and time": lambda folder: _rewrite(folder / "main.py", "TEXT\n"),
    "longer": lambda folder: (folder / "main.py").write_text("more text\n"),
    "replaced by rename": lambda folder: _replace(folder / "main.py"),
    "two files swapped": lambda folder: _swap(folder / "main.py", folder / "metadata.yaml"),
    "renamed": lambda folder: (folder / "main.py").rename(folder / "main2.py"),
    "a folder renamed": lambda folder: (folder / "source_x/deep").rename(folder / "source_x/deeper"),
    "mode of a file": lambda folder: (folder / "main.py").chmod(0o755),
    "mode of a folder": lambda folder: (folder / "source_x").chmod(0o700),
    "link to another file": lambda folder: _retarget(folder / "link", "metadata.yaml"),
    "link outside to another file": lambda folder: _retarget(folder / "outside", "../other.txt"),
    "file behind a link": lambda folder: _rewrite(folder.parent / "beside.txt", "TEXT\n"),
    "file behind a link is gone": lambda folder: (folder.parent / "beside.txt").unlink(),
    "a dangling link leads somewhere": lambda folder: (folder.parent / "not-yet.txt").touch(),
    "a file became a link": lambda folder: _retarget(folder / "main.py", "metadata.yaml"),
    "new file": lambda folder: (folder / "source_x/new.py").touch(),
    "new empty folder": lambda folder: (folder / "source_x/new").mkdir(),
    "removed file": lambda folder: (folder / "source_x/deep/run.py").unlink(),
    "hard link elsewhere edited": lambda folder: _edit_twin(folder / "main.py", folder.parent / "twin"),
    "the folder itself is gone": lambda folder: folder.rename(folder.with_name("moved")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_shows(folder: Path, change: Callable[[Path], object]) -> None:
    """Also if size and modification time are unchanged: the status change time cannot be set."""
    before = Fingerprint([folder]).digest
    assert Fingerprint([folder]).digest == before
    change(folder)
    assert Fingerprint([folder]).digest != before


@pytest.mark.parametrize("name", ["__pycache__/a.pyc", "source_x/__pycache__/a.pyc", ".venv/bin/python", ".git/index"])
def test_what_tools_leave_behind_does_not_count(folder: Path, name: str) -> None:
    """A test run or an import between two builds makes no build."""
    before = Fingerprint([folder])
    (folder / name).parent.mkdir(parents=True)
    (folder / name).touch()
    after = Fingerprint([folder])
    assert (after.digest, after.newest) == (before.digest, before.newest)


def test_what_does_not_count_is_in_no_image(tmp_path: Path) -> None:
    """A build must not read ignored files either: neither as code nor as a folder that a lock names."""
    assert leftovers.FOLDERS <= trees.CACHES
    for name in leftovers.FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    assert not list(folder_files.walk(tmp_path))
    assert set(module_root.hidden(tmp_path)) >= leftovers.FOLDERS


def test_a_root_behind_a_link_is_looked_into(folder: Path) -> None:
    """A path dependency may be a link to its folder, whose files are included."""
    link = folder.parent / "library"
    link.symlink_to(folder)
    before = Fingerprint([link]).digest
    _rewrite(folder / "main.py", "TEXT\n")
    assert Fingerprint([link]).digest != before


def test_what_changed_just_now_is_not_trusted(folder: Path) -> None:
    """Within a tick of the file system's clock a second change would have the same time: as git does, look again.

    The clock's own errors are on the safe side: one that was set back is earlier than the files.
    """
    found = Fingerprint([folder])
    assert not found.is_settled(found.newest)
    assert not found.is_settled(found.newest + 1_000_000)
    assert not found.is_settled(found.newest - 3600 * 10**9), "the clock went backwards"
    assert found.is_settled(found.newest + 100_000_000)


def test_whole_seconds_are_trusted_later(folder: Path) -> None:
    """A file system that keeps whole seconds (or two) has a coarser tick."""
    found = Fingerprint([folder])
    found._coarse, found.newest = True, 5 * 10**9
    assert not found.is_settled(found.newest + 10**9)
    assert found.is_settled(found.newest + 3 * 10**9)


# --- what is remembered -----------------------------------------------------------------------------------------------


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place where the tool itself is installed."""
    place = tmp_path / "tool"
    place.mkdir()
    (place / "__init__.py").touch()
    monkeypatch.setattr(fingerprint, "TOOL", place)
    state_of_tool.cache_clear()
    yield place
    state_of_tool.cache_clear()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _built(store: Store, folders: tuple[Path, ...] = (), *sources: str) -> Built:
    image = random_image(store, layers=3)
    return Built(
        repository="acme/source-x",
        platform="linux/amd64",
        base="base",
        plan="plan",
        manifest=str(image.digest),
        diff_ids=tuple(map(str, image.config.diff_ids)),
        base_layers=1,
        packages=2,
        hook_operations=0,
        replaced=(("a", "1", "2"),),
        collisions=(Collision("p", "a", ("b",), differ=True),),
        sources=("localhost/base", *sources),
        folders=tuple(map(str, folders)),
    )


def test_the_last_build_is_recalled_until_something_changes(folder: Path, tool: Path, store: Store) -> None:
    """Equal to what was built; not for other settings, another folder, or another version of the tool."""
    built = _built(store)
    Memory.of([folder], {"a": 1}, LATER).remember(store, built)
    assert Memory.of([folder], {"a": 1}, LATER).recall(store) == built
    assert Memory.of([folder], {"a": 2}, LATER).recall(store) is None
    assert Memory.of([folder.parent], {"a": 1}, LATER).recall(store) is None
    (tool / "module.py").touch()
    state_of_tool.cache_clear()  # as in the next process
    assert Memory.of([folder], {"a": 1}, LATER).recall(store) is None


def test_a_change_in_a_folder_beside_is_seen(folder: Path, tool: Path, store: Store, tmp_path: Path) -> None:
    """The files that the build read in other folders (path dependencies) are included like its own."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "a.py").write_text("text\n")
    Memory.of([folder], {}, LATER).remember(store, _built(store, (library,)))
    assert Memory.of([folder], {}, LATER).recall(store) is not None
    _rewrite(library / "a.py", "TEXT\n")
    assert Memory.of([folder], {}, LATER).recall(store) is None


@pytest.mark.parametrize("where", ["connector", "beside"])
def test_what_is_too_new_is_not_remembered(folder: Path, tool: Path, store: Store, tmp_path: Path, where: str) -> None:
    """An edit within the clock's tick of the build's beginning, and one while it was building."""
    library = tmp_path / "library"
    library.mkdir()
    built = _built(store, (library,))
    moment = Fingerprint([folder, library, tool]).newest + 100_000_000
    place = {"connector": folder, "beside": library}[where]
    (place / "edited.py").touch()
    newest = Fingerprint([place]).newest
    Memory.of([folder], {}, newest).remember(store, built)
    assert Memory.of([folder], {}, LATER).recall(store) is None
    memory = Memory.of([folder], {}, moment)
    while Fingerprint([place]).newest <= moment:
        (place / "edited.py").touch()
    memory.remember(store, built)
    assert Memory.of([folder], {}, LATER).recall(store) is None


def test_code_that_is_too_new_is_read_again(folder: Path, tool: Path, store: Store) -> None:
    """An image with code of this clock tick is remembered for its other inputs only: its code is never trusted."""
    built = _built(store)
    code = folder / "code"
    code.mkdir()
    (code / "main.py").touch()
    newest = Fingerprint([code]).newest
    for path in (*folder.rglob("*"), *tool.rglob("*")):
        if path.is_file() and path.parent != code:
            while Fingerprint([path]).newest + 100_000_000 > newest:
                (code / "main.py").touch()
                newest = Fingerprint([code]).newest
    early = Memory.of([folder], {}, newest, [code])
    early.remember(store, built, is_code_apart=True)
    late = Memory.of([folder], {}, LATER, [code])
    assert early.recall(store) is None
    assert late.recall(store) is None
    assert late.recall_other_code(store) == built


@pytest.mark.parametrize(
    ("lost", "source", "there"),
    [
        ("manifest", "", False),
        ("config", "", False),
        ("layer 0", "", True),
        ("layer 1", "", False),
        ("layer 1", "localhost/acme/source-x", True),
        ("layers 1 2", "", False),
    ],
)
def test_what_was_collected_is_built_again(
    folder: Path, tool: Path, store: Store, lost: str, source: str, there: bool
) -> None:
    """An image whose own layers are gone is not used; the base's, and those of a registry, may be missing."""
    built = _built(store, (), *([source] if source else []))
    image = store.image(built.digest)
    Memory.of([folder], {}, LATER).remember(store, built)
    for number in lost.split()[1:]:
        store.path(image.manifest.layers[int(number)].digest).unlink()
    if lost in ("manifest", "config"):
        store.path({"manifest": image.digest, "config": image.manifest.config.digest}[lost]).unlink()
    assert (Memory.of([folder], {}, LATER).recall(store) is not None) is there


def test_what_is_left_out_on_request_does_not_count(folder: Path) -> None:
    """By whole paths; nothing else is left out."""
    before = Fingerprint([folder]).digest
    (folder / "main.py~").touch()
    assert Fingerprint([folder], lambda path: path.endswith("~")).digest == before
    assert Fingerprint([folder]).digest != before


@pytest.mark.parametrize(
    "name", [".main.py.swp", ".main.py.swo", "main.py~", ".#main.py", "#main.py#", "a.py___jb_tmp___", ".x.kate-swp"]
)
def test_an_editor_s_own_files_are_in_no_image(tmp_path: Path, name: str) -> None:
    """Nor do they start a build, because they contain unsaved content. Files with similar names are included."""
    (tmp_path / name).touch()
    for kept in ("swp.py", "main.swp", "a#b.py", "notes#", ".hidden", "jb_tmp.py"):
        (tmp_path / kept).touch()
    assert leftovers.is_of_editor(name)
    assert [file.path for file in folder_files.walk(tmp_path)] == sorted(
        ["swp.py", "main.swp", "a#b.py", "notes#", ".hidden", "jb_tmp.py"]
    )


@pytest.mark.parametrize("seconds", [-1, 1 << 34])  # where the file system has them: 1969 and 2514
def test_every_time_of_a_file_is_compared(folder: Path, seconds: int) -> None:
    before = Fingerprint([folder])
    os.utime(folder / "main.py", (seconds, seconds))
    once = Fingerprint([folder])
    os.utime(folder / "main.py", (seconds - 1, seconds - 1))
    assert len({before.digest, once.digest, Fingerprint([folder]).digest}) == 3
