"""Files as they will be: what was recorded is read, and the disk is not touched."""

from pathlib import Path

import pytest

from airbyte_ci.edits.edit import Edit, FileChange
from airbyte_ci.edits.files import Files
from airbyte_ci.errors import EditRefused


def test_recorded_edits_are_read_back(tmp_path: Path) -> None:
    """Only of files outside of the folder; a deleted file is absent; the disk is unchanged."""
    (tmp_path / "own").mkdir()
    for path in ("page", "gone", "own/file"):
        (tmp_path / path).write_bytes(b"old")
    files = Files(tmp_path)
    edit = Edit.of(
        FileChange(path, b"old", None if path == "gone" else b"new") for path in ("page", "gone", "own/file")
    )
    files.record(edit, outside="own")
    assert [files.read(path) for path in ("page", "gone", "own/file", "none", "page/x")] == [
        b"new",
        None,
        b"old",
        None,
        None,
    ]
    assert (tmp_path / "page").read_bytes() == b"old"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder in place of a file is reported with its path."""
    (tmp_path / "page").mkdir()
    with pytest.raises(EditRefused, match=r"^page cannot be read: Is a directory"):
        Files(tmp_path).read("page")
