"""Which lock a connector has, and that every way not to have a usable one is told."""

from pathlib import Path

import pytest

from airbyte_ci.build import lockfile
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import LockError
from airbyte_ci.oci.store import Store
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.lock import Lock
from tests.python import locks
from tests.python.interpreters import cpython


def selected(folder: Path, **files: str | bytes) -> Lock:
    names = [name.replace("__", ".") for name in files]
    for name, content in zip(names, files.values(), strict=True):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    connector = Connector("source-x", folder, "connectors/source-x", {}, frozenset(names))
    return lockfile.select(connector, cpython(), Store(folder / "store"), PackageIndex(None, offline=True))


PROJECT = locks.project("a = '*'")
LOCK = locks.lock(PROJECT, locks.package("a", "1.0"))


def test_poetrys_lock_is_read_with_its_pyproject(tmp_path: Path) -> None:
    """The packages that it selects, whatever other locks lie beside it."""
    lock = selected(tmp_path, poetry__lock=LOCK, pyproject__toml=PROJECT, requirements__txt="b==1.0")
    assert (lock.kind, [package.name for package in lock.packages]) == ("poetry", ["a"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "building source-x: connectors/source-x has no lock"),
        ({"setup__py": "", "requirements__txt": "-e ."}, "building source-x: connectors/source-x has no lock"),
        ({"poetry__lock": LOCK}, "building source-x: connectors/source-x has a poetry.lock but no pyproject.toml"),
        ({"poetry__lock": LOCK, "pyproject__toml": b"\xff"}, "reading connectors/source-x/pyproject.toml: "),
        ({"poetry__lock": b"\xff", "pyproject__toml": PROJECT}, "reading connectors/source-x/poetry.lock: "),
        ({"poetry__lock": "", "pyproject__toml": PROJECT}, "connectors/source-x/poetry.lock has no content hash"),
    ],
    ids=["nothing", "unhashed", "no project", "bytes", "lock's bytes", "empty"],
)
def test_no_usable_lock_is_told(tmp_path: Path, files: dict[str, str | bytes], said: str) -> None:
    """The connector or the file is named, and how a lock is made."""
    with pytest.raises(LockError) as caught:
        selected(tmp_path, **files)
    assert caught.value.message.startswith(said)
