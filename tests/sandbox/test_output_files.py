"""Files that a sandbox left are hostile data: only a plain file within its limit is ever opened."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from airbyte_ci.sandbox import output_files
from airbyte_ci.sandbox.output_files import OutputRefused, list_outputs, open_output, read_output

SECRET = b"of this machine"


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place))


def _sparse(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(30 << 30)


def _hard_link(place: Path) -> None:
    (place.parent.parent / "private").write_bytes(SECRET)
    place.hardlink_to(place.parent.parent / "private")


def _own_link(place: Path) -> None:
    place.with_name("b").touch()
    place.symlink_to("b")


LEFT: dict[str, Callable[[Path], object]] = {
    "link to a file": lambda place: place.symlink_to("/etc/passwd"),
    "link to an endless device": lambda place: place.symlink_to("/dev/zero"),
    "link to a file of its own": _own_link,
    "link to the process": lambda place: place.symlink_to("/proc/self/environ"),
    "broken link": lambda place: place.symlink_to("nowhere"),
    "loop": lambda place: place.symlink_to(place.name),
    "named pipe": lambda place: os.mkfifo(place),
    "socket": _socket,
    "device": lambda place: os.mknod(place, 0o600 | 0o020000, os.makedev(1, 5)),
    "folder": lambda place: place.mkdir(),
    "sparse file of 30 GB": _sparse,
    "second name of another file": _hard_link,
}


@pytest.mark.parametrize("left", LEFT)
def test_only_a_plain_file_is_read(tmp_path: Path, left: str) -> None:
    """Links, pipes, sockets, devices, folders, sparse files and second names are refused, and nothing waits."""
    folder = tmp_path / "out"
    folder.mkdir()
    LEFT[left](folder / "a")
    with pytest.raises(OutputRefused):
        read_output(folder, "a", 1 << 20)
    (folder / "sub").symlink_to(folder)
    with pytest.raises((OutputRefused, FileNotFoundError)):
        read_output(folder, "sub/a", 1 << 20)


@pytest.mark.parametrize("path", ["../private", "/etc/passwd", "sub/../../private", "", ".", "..", "sub//a", "a\0b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    """A path from a sandbox's own words is a path below the folder, or nothing."""
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "private").write_bytes(SECRET)
    with pytest.raises(OutputRefused):
        read_output(tmp_path / "out", path, 1 << 20)


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    """A folder that was replaced by a link leads nowhere, at any depth."""
    (tmp_path / "private" / "deep").mkdir(parents=True)
    (tmp_path / "private" / "deep" / "file").write_bytes(SECRET)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "sub").symlink_to(tmp_path / "private")
    for path in ("sub/deep/file", "sub/deep"):
        with pytest.raises(OutputRefused):
            read_output(folder, path, 1 << 20)


def test_plain_files_are_read(tmp_path: Path) -> None:
    """At any depth up to the limit, and not beyond it; a missing file is not found."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"12345")
    assert read_output(tmp_path, "sub/file", 5) == b"12345"
    with open_output(tmp_path, "sub/file", 5) as file:
        assert file.read(2) == b"12"
    with pytest.raises(OutputRefused, match="more than"):
        read_output(tmp_path, "sub/file", 4)
    with pytest.raises(FileNotFoundError):
        read_output(tmp_path, "sub/other", 4)


def test_a_folder_of_many_files_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing ends at a limit; below it, names come sorted."""
    for name in "cab":
        (tmp_path / name).touch()
    assert list_outputs(tmp_path) == ["a", "b", "c"]
    monkeypatch.setattr(output_files, "_NAME_LIMIT", 2)
    with pytest.raises(OutputRefused, match="more than 2 files"):
        list_outputs(tmp_path)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """After any refusal, at any depth, all opened files are closed."""
    (tmp_path / "sub").symlink_to("/")
    (tmp_path / "file").write_bytes(b"x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("sub/etc/passwd", "file/x", "no/x", "file", "sub"):
        with pytest.raises((OutputRefused, FileNotFoundError)):
            read_output(tmp_path, path, 0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
