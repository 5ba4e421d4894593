"""Locks upgraded by uv, from a folder of wheels: changes are reported, and only the lock and the version change."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.migrations.migration import Resources, plan_change
from airbyte_ci.campaigns.migrations.upgrade_dependencies import MIGRATION, DependencyOptions, compare, prepare
from airbyte_ci.errors import LockError
from tests.campaigns.repositories import CONNECTORS, commit, copied, snapshot, task
from tests.python import sample_wheels

NAME = "source-tides"
PROJECT = """\
[project]
name = "source-tides"
version = "0.2.4"
requires-python = ">=3.9,<3.12"
dependencies = ["demo<2", "beside"]

[tool.uv.sources]
beside = {path = "../../../beside"}

[tool.uv]
package = false
no-index = true
find-links = ["../../../wheels"]
"""
BESIDE = '[project]\nname = "beside"\nversion = "1.0"\n\n[tool.uv]\npackage = false\n'


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """The example fleet; one of its connectors has a uv lock, and depends on a folder elsewhere in the repository."""
    root = copied("fleet", tmp_path / "fleet")
    (root / "wheels").mkdir()
    publish(root, "1.0")
    folder = root / CONNECTORS / NAME
    (folder / "poetry.lock").unlink()
    (folder / "pyproject.toml").write_text(PROJECT)
    (root / "beside").mkdir()
    (root / "beside" / "pyproject.toml").write_text(BESIDE)
    (folder / "uv.lock").write_bytes(b"version = 1\nrequires-python = '>=3.9,<3.12'\n")
    commit(root)
    change = planned(root)
    change.edit.apply(root)
    commit(root)
    return root


def publish(root: Path, version: str) -> None:
    sample_wheels.make(root / "wheels", version=version)


def planned(root: Path, only: tuple[str, ...] = (), number: int | None = 7) -> Change:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(root.parent / "home"),
        "UV_NO_CACHE": "1",
        "UV_PYTHON": sys.executable,
    }
    given = task(root, NAME, RequestedEntry(number, "", date(2024, 6, 4)))
    options, resources = DependencyOptions(only), Resources(environment, lambda *_: b"")
    prepared = replace(given, prepared=lambda: prepare(given, options, resources))
    return plan_change(MIGRATION, prepared, options)


def test_what_is_newer_is_locked_and_told(fleet: Path) -> None:
    """The lock, the version in it and elsewhere, and the row; the repository is touched by nothing but the edit."""
    with pytest.raises(NotApplicable, match="its dependencies are the newest"):
        planned(fleet)
    publish(fleet, "1.5")
    publish(fleet, "2.0")
    before = snapshot(fleet)
    change = planned(fleet)
    assert snapshot(fleet) == before
    assert change.notes == ("demo 1.0 → 1.5",)
    assert change.summary.endswith("with 1 package changed")
    assert sorted(item.path.rpartition("/")[2] for item in change.edit.changes) == [
        "metadata.yaml",
        "pyproject.toml",
        "tides.md",
        "uv.lock",
    ]
    change.edit.apply(fleet)
    lock = (fleet / CONNECTORS / NAME / "uv.lock").read_text()
    assert f'name = "source-tides"\nversion = "{change.after}"\nsource = {{ virtual = "." }}' in lock
    with pytest.raises(NotApplicable):
        planned(fleet)
    assert planned_check(fleet) == ""


def planned_check(root: Path) -> str:
    """The complaints of `uv lock --check` after the edit."""
    uv = str(Path(sys.executable).parent / "uv")
    folder = root / CONNECTORS / NAME
    command = [uv, "lock", "--check", "--quiet", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stderr


def test_the_row_that_waits_is_filled_in(fleet: Path) -> None:
    """Refreshed without a number, the row is all that is left to do with it."""
    publish(fleet, "1.5")
    first = planned(fleet, number=None)
    assert first.row_waits
    first.edit.apply(fleet)
    assert [item.path for item in planned(fleet).edit.changes] == ["docs/integrations/sources/tides.md"]


def test_one_package_only(fleet: Path) -> None:
    """Unnamed packages stay, even if newer versions exist."""
    publish(fleet, "1.5")
    with pytest.raises(NotApplicable):
        planned(fleet, ("beside",))
    assert planned(fleet, ("demo",)).notes == ("demo 1.0 → 1.5",)


def test_what_the_tool_says_is_told(fleet: Path) -> None:
    """A lock that cannot be made is one line with the tool's own words, and nothing is changed."""
    path = fleet / CONNECTORS / NAME / "pyproject.toml"
    path.write_text(PROJECT.replace("demo<2", "demo>7"))
    before = snapshot(fleet)
    with pytest.raises(LockError, match=r"^upgrading source-tides: uv lock --upgrade ended with 1: .*demo") as caught:
        planned(fleet)
    assert "\n" not in caught.value.message
    assert snapshot(fleet) == before


def test_differences() -> None:
    """Added, removed and changed; the project itself is not one of its dependencies."""
    own = '[[package]]\nname = "x"\nversion = "{}"\nsource = {{ virtual = "." }}\n'
    old = own.format("1") + '[[package]]\nname = "a"\nversion = "1"\n[[package]]\nname = "b"\nversion = "1"\n'
    new = own.format("2") + '[[package]]\nname = "a"\nversion = "2"\n[[package]]\nname = "c"\nversion = "3"\n'
    assert str(compare(old.encode(), new.encode())) == "a 1 → 2, − b 1, + c 3"
    pylock = '[[packages]]\nname = "a"\nversion = "{}"\n'
    assert str(compare(pylock.format("1").encode(), pylock.format("2").encode())) == "a 1 → 2"
    pins = "# a==0\na[x]=={} ; python_version > '3' \\\n    --hash=sha256:0\n"
    assert str(compare(pins.format("1").encode(), pins.format("2").encode())) == "a 1 → 2"
    with pytest.raises(LockError, match="the lock cannot be read"):
        compare(b"[", b"")
