"""The store on real disks that are full or cannot be written, and shared by processes that die."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci.errors import StoreError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import MANIFEST, Descriptor
from airbyte_ci.oci.store.store import RESERVE, Store, action_key

KEY = action_key("a", 1, {})


class Disk:
    """A small file system of its own."""

    def __init__(self, place: Path, options: str) -> None:
        self.place = place
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "test-store", place], check=True)

    def fill(self) -> None:
        """Uses every byte."""
        with (self.place / "filler").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.place], check=True)

    def unmount(self) -> None:
        # Lazily: a process keeps a file of each store that it opened (its session) for as long as it lives.
        subprocess.run(["umount", "--lazy", self.place], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk", "size=2m,nr_inodes=40")
    yield made
    made.unmount()


def temporary_files(store: Store) -> list[Path]:
    return list((store.root / "ingest").iterdir())


def test_a_disk_that_fills_up_leaves_nothing_half_written(disk: Disk) -> None:
    """A write that meets the end of the disk is a StoreError with advice; no blob and no rest remains."""
    store = Store(disk.place / "home")
    with pytest.raises(StoreError, match="the disk is full") as caught, store.writer() as writer:
        for _ in range(40):
            writer.write(os.urandom(1 << 16))
    assert "AIRBYTE_CI_HOME" in str(caught.value.advice)
    assert list((store.root / "blobs/sha256").iterdir()) == []
    assert temporary_files(store) == []


def test_the_last_buffered_bytes_may_not_fit_either(disk: Disk) -> None:
    """The disk may be found full only when the file is closed."""
    store = Store(disk.place / "home")
    disk.fill()
    with pytest.raises(StoreError, match="the disk is full"), store.writer() as writer:
        writer.write(b"few")
    assert temporary_files(store) == []


def test_large_blobs_are_refused_before_they_are_written(disk: Disk) -> None:
    """If the size is known, missing space is detected first, and the error contains it."""
    store = Store(disk.place / "home")
    needed = f"{(RESERVE + 500) / 1e6:.0f} MB are needed and 2 MB are free"
    with pytest.raises(StoreError, match=needed):
        store.put(b"x" * 500)


def test_names_and_actions_survive_a_full_disk(disk: Disk) -> None:
    """Earlier actions and names survive, and the error is a StoreError."""
    store = Store(disk.place / "home")
    descriptor = Descriptor(MANIFEST, Digest.of(b"x"), 1)
    store.tag("a:1", descriptor)
    store.remember(KEY, {"value": 1})
    disk.fill()
    with pytest.raises(StoreError, match="the disk is full"):
        store.remember(KEY, {"value": "x" * 9000})
    with pytest.raises(StoreError, match="the disk is full"):
        store.tag("a:1", Descriptor(MANIFEST, Digest.of(b"y"), 1))
    assert store.recall(KEY) == {"value": 1}
    assert store.names() == ("a:1",)
    assert temporary_files(store) == []


def test_a_disk_without_room_for_one_more_file_is_full_too(disk: Disk) -> None:
    """Inodes run out as well as bytes."""
    store = Store(disk.place / "home")
    with pytest.raises(OSError, match="No space"):
        for number in range(100):
            (disk.place / str(number)).touch()
    for attempt in (lambda: store.remember(KEY, {}), lambda: _write(store), lambda: Store(disk.place / "other")):
        with pytest.raises(StoreError, match="the disk is full"):
            attempt()


def _write(store: Store) -> None:
    with store.writer() as writer:
        writer.write(b"x")


def test_a_disk_that_cannot_be_written_is_one_clear_error(disk: Disk) -> None:
    """A home on a read-only disk is a StoreError that names the variable."""
    disk.make_read_only()
    with pytest.raises(StoreError, match=r"opening the store at .*: Read-only file system") as caught:
        Store(disk.place / "home")
    assert "AIRBYTE_CI_HOME" in str(caught.value)


def start(root: Path, script: str) -> "subprocess.Popen[str]":
    """Another process that has the same store open, as `store`."""
    head = f"""
        import os, time
        from pathlib import Path
        from airbyte_ci.oci.digest import Digest
        from airbyte_ci.oci.image import MANIFEST, Descriptor
        from airbyte_ci.oci.store.store import Store, action_key
        store = Store(Path({str(root)!r}))
    """
    source = textwrap.dedent(head) + textwrap.dedent(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def wait_for_word(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise AssertionError(process.communicate()[1])


def test_a_writer_that_is_killed_leaves_no_visible_blob(tmp_path: Path) -> None:
    """After kill -9 half-way through a blob, the blob is absent, and the next writer creates it."""
    process = start(
        tmp_path,
        """
        with store.writer() as writer:
            writer.write(b"x" * 5_000_000)
            print("ready", flush=True)
            time.sleep(600)
        """,
    )
    wait_for_word(process)
    kill(process)
    store = Store(tmp_path)
    assert list((tmp_path / "blobs/sha256").iterdir()) == []
    digest = store.put(b"x" * 5_000_000)
    assert store.size(digest) == 5_000_000


def test_killed_at_any_moment_the_store_is_whole(tmp_path: Path) -> None:
    """Whenever a busy process dies: each blob is its digest's, names resolve, actions are whole."""
    busy = """
        print("ready", flush=True)
        for number in range(1_000_000):
            digest = store.put(str(number).encode() * 3000)
            store.remember(action_key("n", 1, number % 7), {"digest": str(digest)})
            store.tag(f"n:{number % 5}", Descriptor(MANIFEST, digest, store.size(digest)))
    """
    store = Store(tmp_path)
    for pause in (0.0, 0.003, 0.01, 0.02, 0.05):
        process = start(tmp_path, busy)
        wait_for_word(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(pause)
        kill(process)
        for blob in (tmp_path / "blobs/sha256").iterdir():
            assert len(store.read(Digest(blob.name))) > 0
        for name in store.names():
            descriptor = store.resolve(name)
            assert descriptor is not None
            assert store.size(descriptor.digest) == descriptor.size
        for number in range(7):
            known = store.recall(action_key("n", 1, number))
            assert known is None or store.has(Digest.parse(known["digest"]))
    store.tag("after", Descriptor(MANIFEST, store.put(b"x"), 1))
    assert "after" in store.names()


def test_processes_share_a_store(tmp_path: Path) -> None:
    """Three processes that put the same blobs and name at the same time lose nothing of each other."""
    work = """
        print("ready", flush=True)
        for number in range(25):
            digest = store.put(str(number).encode() * 20_000)
            store.remember(action_key("n", 1, number), {"digest": str(digest)})
            store.tag(f"{os.getpid()}:{number}", Descriptor(MANIFEST, digest, 1))
            store.tag("everyone:1", Descriptor(MANIFEST, digest, 1))
    """
    processes = [start(tmp_path, work) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    store = Store(tmp_path)
    names = {f"{process.pid}:{number}" for process in processes for number in range(25)}
    assert set(store.names()) == names | {"everyone:1"}
    for number in range(25):
        known = store.recall(action_key("n", 1, number))
        assert known is not None
        assert store.read(Digest.parse(known["digest"])) == str(number).encode() * 20_000
    assert temporary_files(store) == []
