"""Files that many write at once: whole or not at all, by one writer at a time."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airbyte_ci import disk

COUNT = """
import sys
from pathlib import Path
from airbyte_ci import disk
path = Path(sys.argv[1])
for _ in range(200):
    with disk.lock(path.with_name("lock")):
        disk.write_file(path, str(int(path.read_text()) + 1).encode())
"""


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error leaves the old content, and nothing else in the folder."""
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), disk.replace_file(path) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_text() == "old" and _names(tmp_path) == ["file"]
    disk.write_file(path, b"new")
    assert path.read_text() == "new" and _names(tmp_path) == ["file"]


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    """The link's target is replaced with its own mode; a new file has the mode of the umask."""
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o604)
    (tmp_path / "link").symlink_to("real")
    disk.write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o604
    before = os.umask(0o027)
    try:
        disk.write_file(tmp_path / "fresh", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    """A non-regular file, such as /dev/stdout, receives the bytes and is not replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        disk.write_file(pipe, b"through")
        assert read.result(timeout=30) == b"through"
    assert pipe.is_fifo()


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    """Each process reads and writes a whole file, with a name of any length."""
    path = tmp_path / ("ü" * 120)
    texts = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda text: disk.write_file(path, text), texts * 4))
    assert path.read_bytes() in texts and len(_names(tmp_path)) == 1


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    """The first file stays, so that a held lock on it stays effective."""
    disk.create_file(tmp_path / "file", b"first")
    inode = (tmp_path / "file").stat().st_ino
    disk.create_file(tmp_path / "file", b"second")
    assert ((tmp_path / "file").read_bytes(), (tmp_path / "file").stat().st_ino) == (b"first", inode)
    assert _names(tmp_path) == ["file"]


def test_a_lock_excludes_processes_and_threads(tmp_path: Path) -> None:
    """Of 200 increments by each of two processes and by two threads of a third none is lost."""
    path = tmp_path / "count"
    path.write_text("0")
    running = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(2)]

    def count(_: int) -> None:
        for _ in range(200):
            with disk.lock(path.with_name("lock")):
                disk.write_file(path, str(int(path.read_text()) + 1).encode())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, range(2)))
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert path.read_text() == "800"


def test_a_folder_can_be_locked(tmp_path: Path) -> None:
    """Nothing is made in it."""
    with disk.lock(tmp_path):
        assert _names(tmp_path) == []


def test_locks_of_places_where_none_can_be_had(tmp_path: Path) -> None:
    """A store that cannot be written has no locks, and its users need none."""
    locks = disk.ByteLocks(tmp_path / "missing" / "locks")
    assert locks.take(1)
    locks.release(1)
