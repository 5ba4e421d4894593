"""A connector's own code as layer entries: included and excluded files, and no trace of the user."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from airbyte_ci.connectors import find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.images import source
from airbyte_ci.oci.tar import Entry
from airbyte_ci.recipe import contents

CODE = "airbyte/integration_code"


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Runs under several umasks, as checkouts of different people are."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def connector(root: Path, *files: str) -> Connector:
    """A connector with a main file, a package, and these files with their names as content."""
    folder = root / "source-x"
    for name in ("metadata.yaml", "main.py", "source_x/__init__.py", *files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"data": {"dockerRepository": "acme/source-x"}}))
    return find.read(folder, root)


def entries(item: Connector, main: str = "main.py") -> dict[str, Entry]:
    return {entry.path.removeprefix(f"{CODE}/"): entry for entry in source.entries(item, main)}


def test_the_main_file_and_the_package(tmp_path: Path) -> None:
    """Nothing else of the folder: no tests, no metadata, no locks."""
    item = connector(
        tmp_path,
        "source_x/run.py",
        "source_x/schemas/a.json",
        "unit_tests/test_x.py",
        "poetry.lock",
        "secrets/config.json",
        "source_y/other.py",
    )
    found = entries(item)
    assert list(found) == [
        CODE,
        "main.py",
        "source_x",
        "source_x/__init__.py",
        "source_x/run.py",
        "source_x/schemas",
        "source_x/schemas/a.json",
    ]
    assert contents.data(found["source_x/schemas/a.json"]) == b"source_x/schemas/a.json"


def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    """Only executable or not is of the source; folders are open, and everything is root's."""
    item = connector(tmp_path, "source_x/run.sh", "source_x/data/a.txt")
    (item.folder / "source_x/run.sh").chmod(0o700)
    (item.folder / "source_x/data/a.txt").chmod(0o600)
    found = entries(item)
    assert {name: oct(entry.mode) for name, entry in found.items()} == {
        CODE: "0o755",
        "main.py": "0o644",
        "source_x": "0o755",
        "source_x/__init__.py": "0o644",
        "source_x/run.sh": "0o755",
        "source_x/data": "0o755",
        "source_x/data/a.txt": "0o644",
    }
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(0, 0)}


def test_what_tools_leave_behind_is_left_out(tmp_path: Path) -> None:
    """Caches, byte code and version control never reach an image, at any depth."""
    item = connector(
        tmp_path,
        "source_x/__pycache__/a.cpython-311.pyc",
        "source_x/deep/__pycache__/b.pyc",
        "source_x/old.pyc",
        "source_x/old.pyo",
        "source_x/.git/HEAD",
        "source_x/.mypy_cache/x",
        "source_x/.pytest_cache/x",
        "source_x/.venv/x",
        "source_x/.DS_Store",
        "source_x/.hidden",
    )
    assert list(entries(item)) == [
        CODE,
        "main.py",
        "source_x",
        "source_x/.hidden",
        "source_x/__init__.py",
        "source_x/deep",
    ]


def test_links_stay_links(tmp_path: Path) -> None:
    """A link is kept as written and never followed: any target, broken ones and loops too."""
    item = connector(tmp_path, "outside/secret.txt")
    package = item.folder / "source_x"
    for name, target in (("file", "__init__.py"), ("folder", "../outside"), ("broken", "/nonexistent"), ("loop", ".")):
        (package / name).symlink_to(target)
    found = entries(item)
    links = {name: entry.link for name, entry in found.items() if entry.kind == "symlink"}
    assert links == {
        "source_x/file": "__init__.py",
        "source_x/folder": "../outside",
        "source_x/broken": "/nonexistent",
        "source_x/loop": ".",
    }
    assert not any("secret" in name for name in found)


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    """A pipe would block its reader."""
    item = connector(tmp_path)
    os.mkfifo(item.folder / "source_x/pipe")
    assert "source_x/pipe" not in entries(item)


def test_two_reads_are_equal(tmp_path: Path) -> None:
    """Times and the order in which files were written do not show."""
    names = [f"source_x/{letter}.py" for letter in "badc"]
    one = connector(tmp_path / "one", *names)
    other = connector(tmp_path / "other", *reversed(names))
    os.utime(other.folder / "main.py", (1, 1))
    assert _read(one) == _read(other)


def test_another_main_file(tmp_path: Path) -> None:
    """MAIN_FILE_NAME of the hook's module: that file is in, and main.py is not."""
    found = entries(connector(tmp_path, "main_dev.py"), "main_dev.py")
    assert "main_dev.py" in found
    assert "main.py" not in found


@pytest.mark.parametrize("main", ["none.py", "source_x", "../main.py", "/etc/passwd", "", "link.py"])
def test_a_main_file_that_is_none_is_told(tmp_path: Path, main: str) -> None:
    """It must be a file inside of the connector's folder, also behind links."""
    item = connector(tmp_path)
    (tmp_path / "main.py").touch()
    (item.folder / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(
        ConnectorError, match=r"cannot build source-x: its main file source-x/.* does not exist"
    ) as caught:
        source.entries(item, main)
    assert "MAIN_FILE_NAME" in str(caught.value)


@pytest.mark.parametrize("kind", ["absent", "a file"])
def test_a_missing_package_is_told(tmp_path: Path, kind: str) -> None:
    """The package's name follows from the connector's: the error has the required name."""
    item = connector(tmp_path)
    (item.folder / "source_x/__init__.py").unlink()
    (item.folder / "source_x").rmdir()
    if kind == "a file":
        (item.folder / "source_x").touch()
    with pytest.raises(ConnectorError, match=r"its package source-x/source_x/ is not a folder") as caught:
        source.entries(item, "main.py")
    assert "must be called source_x" in str(caught.value)


def test_a_main_file_inside_of_the_package_is_there_once(tmp_path: Path) -> None:
    """No path occurs twice in a layer."""
    paths = [entry.path for entry in source.entries(connector(tmp_path, "source_x/run.py"), "source_x/run.py")]
    assert len(paths) == len(set(paths))


def test_a_main_file_in_a_folder_comes_after_its_folder(tmp_path: Path) -> None:
    """Parents come first in a layer, all of them."""
    assert "cli" in entries(connector(tmp_path, "cli/main.py"), "cli/main.py")


def test_a_package_that_leads_out_of_the_connector_is_refused(tmp_path: Path) -> None:
    """The target of a link is not the connector's code."""
    item = connector(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret.txt").touch()
    (item.folder / "source_x/__init__.py").unlink()
    (item.folder / "source_x").rmdir()
    (item.folder / "source_x").symlink_to("../elsewhere")
    with pytest.raises(ConnectorError):
        source.entries(item, "main.py")


def _read(item: Connector) -> list[Entry]:
    return [replace(entry, content=contents.data(entry)) for entry in source.entries(item, "main.py")]
