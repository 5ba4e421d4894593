"""Only its owner can access a store, also if an earlier version left it open."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airbyte_ci.errors import StoreError
from airbyte_ci.oci.store import ownership
from airbyte_ci.oci.store.store import Store

NOBODY = 65534


def _mode(place: Path) -> int:
    return stat.S_IMODE(place.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_a_new_store_is_closed(tmp_path: Path, umask: int) -> None:
    """With any umask, only the owner can access the root folder, and can use it."""
    before = os.umask(umask)
    try:
        (tmp_path / "parent").mkdir(mode=0o777)
        (tmp_path / "parent").chmod(0o755)
        store = Store(tmp_path / "parent" / "store")
    finally:
        os.umask(before)
    assert _mode(store.root) == 0o700
    assert _mode(tmp_path / "parent") == 0o755


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o750, 0o711, 0o4755, 0o2770])
def test_an_open_store_is_closed_silently(tmp_path: Path, mode: int) -> None:
    """A store of an earlier version keeps its content, and becomes private."""
    digest = Store(tmp_path / "store").put(b"kept")
    (tmp_path / "store").chmod(mode)
    store = Store(tmp_path / "store")
    assert _mode(store.root) == 0o700
    assert store.read(digest) == b"kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("owner", [NOBODY, 4321])
def test_a_store_of_somebody_else_is_refused(tmp_path: Path, owner: int) -> None:
    """One line that names the owner and what to do, also for root; nothing in it is touched."""
    (tmp_path / "store").mkdir(mode=0o777)
    os.chown(tmp_path / "store", owner, owner)
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "store")
    assert "belongs to" in caught.value.message and "\n" not in caught.value.message
    assert "AIRBYTE_CI_HOME" in (caught.value.advice or "")
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_link_does_not_lend_its_owner(tmp_path: Path) -> None:
    """A user's link to another user's folder is another user's store."""
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    (tmp_path / "store").symlink_to(tmp_path / "theirs")
    with pytest.raises(StoreError, match="belongs to"):
        Store(tmp_path / "store")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_set_user_id_program_in_a_snapshot_is_out_of_reach() -> None:
    """A program that a layer left with root's rights cannot be run, read or found by another user."""
    attempt = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.stat(sys.argv[1])"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        store = Store(Path(folder) / "store")
        program = store.root / "snapshots" / "layer" / "su"
        program.parent.mkdir()
        program.write_bytes(Path("/bin/true").read_bytes())
        program.chmod(0o4755)
        for place, refused in ((Path(folder), False), (program, True)):
            command = [sys.executable, "-c", attempt, str(place)]
            tried = subprocess.run(command, capture_output=True, text=True, check=False)
            assert ("PermissionError" in tried.stderr) == refused


def test_folders_that_others_can_write_are_found(tmp_path: Path) -> None:
    """Whoever can rename the store's parent can replace the store; a sticky folder prevents this."""
    parent = tmp_path / "shared"
    parent.mkdir()
    store = Store(parent / "store")
    assert not [place for place, _ in ownership.exposures(store.root) if place.is_relative_to(tmp_path)]
    parent.chmod(0o777)
    assert [place for place, _ in ownership.exposures(store.root) if place.is_relative_to(tmp_path)] == [parent]
    parent.chmod(0o1777)
    assert not [place for place, _ in ownership.exposures(store.root) if place.is_relative_to(tmp_path)]
    store.root.chmod(0o755)
    assert (store.root, "all users can read it") in list(ownership.exposures(store.root))


IN_A_NAMESPACE = """
import ctypes, os, sys
from pathlib import Path
from airbyte_ci.oci.store import ownership
from airbyte_ci.rootfs import user_namespace

NEW_USER, SET_DUMPABLE = 0x10000000, 4
kernel = ctypes.CDLL(None)
os.setgroups([]); os.setgid(1234); os.setuid(1234)
assert kernel.prctl(SET_DUMPABLE, 1) == 0 and kernel.unshare(NEW_USER) == 0
Path("/proc/self/uid_map").write_text("0 1234 1")
print([str(place) for place, _ in ownership.exposures(Path(sys.argv[1]), user_namespace.unmapped())])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_of_the_machine_is_no_other_user_in_a_namespace() -> None:
    """There, root's folders seem to belong to `nobody`: nothing is said about them unless others may write to them."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        parent, store = Path(folder), Path(folder) / "store"
        store.mkdir(mode=0o700)
        os.chown(store, 1234, 1234)
        for mode, exposed in ((0o755, []), (0o777, [folder])):
            parent.chmod(mode)
            command = [sys.executable, "-c", IN_A_NAMESPACE, str(store)]
            found = subprocess.run(command, capture_output=True, text=True, check=True)
            assert found.stdout == f"{exposed}\n"
