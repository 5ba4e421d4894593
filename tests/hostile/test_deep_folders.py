"""Endless folders and sparse files: refused in one line, and removed with any content."""

import os
from pathlib import Path

import pytest

from airbyte_ci.connectors import folder_files, hidden_files
from airbyte_ci.disk import remove_tree
from airbyte_ci.errors import ConnectorError, ImageError
from airbyte_ci.images.fingerprint import Fingerprint
from airbyte_ci.oci.store.collect import Policy, collect
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs import diff
from airbyte_ci.rootfs.tree import Tree

pytestmark = pytest.mark.slow


def deep(folder: Path, levels: int) -> None:
    """Folders in folders, deeper than any path may be long."""
    folder.mkdir(parents=True, exist_ok=True)
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("dddd", dir_fd=at)
        inner = os.open("dddd", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


@pytest.mark.parametrize("levels", [1, 250, 1_500, 6_000])
def test_a_tree_of_any_depth_is_removed(tmp_path: Path, levels: int) -> None:
    """Also where its paths are longer than the system takes, and where folders forbid everything."""
    folder = tmp_path / "deep"
    deep(folder, levels)
    (folder / "dddd").chmod(0o000)
    (folder / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    os.mkfifo(folder / "pipe")
    remove_tree(folder)
    assert not folder.exists() and (tmp_path / "kept/file").exists()


def test_what_is_no_folder_is_removed_as_it_is(tmp_path: Path) -> None:
    """A link to a folder is removed, the folder stays; a missing path is not an error."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "nothing"):
        remove_tree(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("levels", [250, 1_500, 6_000])
def test_deep_folders_are_one_line(tmp_path: Path, levels: int) -> None:
    """Of a connector and of a command's changes; asking whether something changed, and for secrets, ends too."""
    folder = tmp_path / "deep"
    deep(folder, levels)
    try:
        with pytest.raises(ConnectorError, match="nested more than 200 deep"):
            list(folder_files.walk(folder))
        with pytest.raises(ImageError, match="nested more than 200 deep"):
            diff.changes(folder, Tree(()), frozenset())
        assert Fingerprint([folder]).digest
        assert list(hidden_files.hidden(folder)) == []
    finally:
        remove_tree(folder)


def test_a_collection_sweeps_deep_folders(tmp_path: Path) -> None:
    """A killed build may leave them in scratch; `store gc` goes on working."""
    store = Store(tmp_path / "store")
    deep(store.root / "scratch/left", 3_000)
    collect(store, Policy())
    assert not list((store.root / "scratch").iterdir())


@pytest.mark.parametrize("size", [2 << 30, 20 << 30, 1 << 42])
def test_a_sparse_file_is_one_line(tmp_path: Path, size: int) -> None:
    """A file that pretends to gigabytes is refused before anything reads it."""
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", size)
    with pytest.raises(ConnectorError, match="hole: it is sparse"):
        list(folder_files.walk(tmp_path))
    with pytest.raises(ImageError, match="/hole: it is sparse"):
        diff.changes(tmp_path, Tree(()), frozenset())
