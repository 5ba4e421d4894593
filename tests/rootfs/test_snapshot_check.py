"""`store check` looks into snapshots: each against what it was when it was made, and in depth against its layer."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.dagger import Exec
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store import check, collect
from airbyte_ci.oci.store.collect import Policy
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs import snapshot, snapshot_check, snapshot_record


def _same_size(file: Path) -> None:
    status = file.stat()
    file.write_bytes(bytes(len(file.read_bytes())))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def _lead_to(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


HARM: dict[str, Callable[[Path], object]] = {
    "mode": lambda root: (root / "usr/lib/data/one").chmod(0o4777),
    "size": lambda root: (root / "usr/lib/data/one").write_bytes(b"more than it was"),
    "gone": lambda root: (root / "usr/lib/data/one").unlink(),
    "new": lambda root: (root / "usr/lib/data/new").touch(),
    "kind": lambda root: _replace(root / "usr/lib/data"),
    "link": lambda root: _lead_to(root / "lib-link", "/etc"),
    "device": lambda root: os.mknod(root / "usr/lib/device", 0o020666, os.makedev(1, 3)),
    "folder's mode": lambda root: root.chmod(0o777),
}


def _damages(store: Store, *, deep: bool = False, drop: bool = False) -> list[str]:
    found = check.check(store, snapshot_check.check(store, deep=deep, drop=drop), drop=drop)
    assert found.snapshots >= 1
    return [f"{item.subject}: {item.reason}" for item in found.damages]


@pytest.mark.parametrize("harm", HARM)
def test_a_snapshot_that_was_changed_is_named(own_store: Store, small_image: Image, harm: str) -> None:
    """Another kind, mode, size or target, a file too many or too few: with its path; dropping it makes it again."""
    (folder,) = snapshot.unpack(own_store, small_image.layers).tree.layers
    assert _damages(own_store, deep=True) == []
    HARM[harm](folder)
    (damage,) = _damages(own_store)
    assert damage.startswith(f"snapshot {folder.name}: '")
    assert len(_damages(own_store, drop=True)) == 1
    assert not folder.exists()
    (again,) = snapshot.unpack(own_store, small_image.layers).tree.layers
    assert again == folder
    assert _damages(own_store, deep=True) == []


def test_in_depth_contents_count(own_store: Store, small_image: Image) -> None:
    """Bytes that were changed with size, mode and times as they were are found by unpacking the layer again."""
    (folder,) = snapshot.unpack(own_store, small_image.layers).tree.layers
    _same_size(folder / "usr/lib/data/deep/three")
    assert _damages(own_store) == []
    (damage,) = _damages(own_store, deep=True)
    assert "the content of 'usr/lib/data/deep/three' changed" in damage


def test_what_a_command_left_is_checked(own_store: Store, small_image: Image) -> None:
    """The files of a command are recorded as those of a layer are."""
    evaluator = Evaluator(own_store, small_image, timeout=60)
    evaluator.image((Exec(("sh", "-c", "echo made > /made")),), {})
    (left,) = (own_store.root / "snapshots").glob("exec-*")
    assert _damages(own_store, deep=True) == []
    (left / "made").write_text("other text")
    (damage,) = _damages(own_store)
    assert damage.startswith(f"snapshot {left.name}: 'made' has another size")


def test_records_go_with_their_snapshots(own_store: Store, small_image: Image) -> None:
    """A collection leaves no record behind, and without a record nothing is called damaged."""
    (folder,) = snapshot.unpack(own_store, small_image.layers).tree.layers
    record = own_store.root / "records" / folder.name
    assert snapshot_record.read(folder) is not None
    record.write_bytes(b"torn")
    assert snapshot_record.read(folder) is None
    assert list(snapshot_check.check(own_store)) == []
    collect.collect(own_store, Policy(older_than=1), now=time.time() + 100)
    assert not folder.exists()
    assert not record.exists()
