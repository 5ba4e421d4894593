"""Bad input: one clear line with the error, its place and advice; the right exit code; nothing half-written."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import GIT, Base, Command, airbyte_ci

pytestmark = pytest.mark.slow
PARCELS = Path("airbyte-integrations/connectors/source-parcels")
TIDES = Path("airbyte-integrations/connectors/source-tides")
MIGRATE = ("connectors", "--name=source-parcels", "migrate_to_base_image", "7")
BUILD = ("connectors", "--name=source-exchange-rates-archive", "build")
UNKNOWN = "sha256:" + "0" * 64


def _replace(path: Path, old: str, new: str) -> Callable[[Path], None]:
    def change(fleet: Path) -> None:
        text = (fleet / path).read_text()
        assert old in text
        (fleet / path).write_text(text.replace(old, new))

    return change


def _nothing(fleet: Path) -> None:
    """The arguments alone are wrong."""


def _drop_table(fleet: Path) -> None:
    page = fleet / "docs/integrations/sources/parcels.md"
    page.write_text("".join(line for line in page.read_text().splitlines(True) if not line.startswith("|")))


CASES = [
    ("unknown name", _nothing, ("connectors", "--name=source-parcel", "list"), 2, ["source-parcel'", "source-parcels"]),
    ("unknown command", _nothing, ("connectors", "lits"), 2, ["lits", "list"]),
    ("nothing selected", _nothing, ("connectors", "build"), 2, ["--name", "--all"]),
    ("empty query", _nothing, ("connectors", "--metadata-query=", "list"), 2, ["--metadata-query is empty"]),
    ("query with a typo", _nothing, ("connectors", "--metadata-query=dta.a", "list"), 2, ["'dta'", "column 1"]),
    (
        "broken YAML",
        _replace(PARCELS / "metadata.yaml", "data:", "data: [}"),
        ("connectors", "--name=source-parcels", "list"),
        1,
        ["source-parcels/metadata.yaml:1:"],
    ),
    ("base without digest", _nothing, (*BUILD, "--base-image=localhost/a/b:1"), 1, ["no digest", "@sha256:"]),
    ("not an address", _nothing, (*BUILD, "--base-image=UPPER/x@" + UNKNOWN), 1, ["UPPER"]),
    ("offline", _nothing, ("--offline", *BUILD), 1, ["offline"]),
    ("no connector repository", _nothing, ("--repo", "/", "connectors", "list"), 2, ["--repo"]),
    (
        "no changelog table",
        _drop_table,
        MIGRATE,
        1,
        ["parcels.md", "changelog"],
    ),
    (
        "uncommitted Dockerfile",
        _replace(PARCELS / "Dockerfile", "FROM", "# edited\nFROM"),
        MIGRATE,
        1,
        ["Dockerfile is modified", "git commit"],
    ),
    (
        "not a version",
        _replace(PARCELS / "metadata.yaml", "dockerImageTag: 0.3.9", "dockerImageTag: latest"),
        MIGRATE,
        1,
        ["latest"],
    ),
    ("not Python", _nothing, ("connectors", "--name=source-ledger", "migrate_to_base_image", "7"), 1, ["java"]),
    ("bad output", _nothing, (*BUILD, "--output=nowhere:x"), 2, ["nowhere", "oci:DIR"]),
    ("not built", _nothing, ("connectors", "--name=source-newsfeed", "run", "--", "spec"), 1, ["not built", "build"]),
    ("bad mount", _nothing, ("connectors", "--name=source-tides", "run", "--mount=x", "--", "spec"), 1, []),
]


@pytest.mark.parametrize(
    ("change", "arguments", "code", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_bad_input_is_one_clear_line(
    change: Callable[[Path], None],
    arguments: tuple[str, ...],
    code: int,
    words: list[str],
    run: Command,
    cataloged: Path,
) -> None:
    """Reports the error, exits as documented, prints no traceback and changes no file."""
    change(cataloged)
    before = _status(cataloged)
    result = run(*arguments)
    told = result.out + result.err
    assert result.code in ((1, 2) if not words else (code,)), told
    assert [word for word in words if word not in told] == []
    assert "Traceback" not in told
    assert _status(cataloged) == before


def _status(folder: Path) -> str:
    command = [*GIT, "status", "--porcelain", "-uall"]
    status = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    diff = subprocess.run([*GIT, "diff"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return status + diff


def test_a_stale_lock_is_refused(run: Command, cataloged: Path, base: Base) -> None:
    """A lock that was made for another pyproject.toml is not what would be installed."""
    _replace(TIDES / "pyproject.toml", "[tool.poetry.dependencies]", '[tool.poetry.dependencies]\nsix = "*"')(cataloged)
    built = run("connectors", "--name=source-tides", "build", f"--base-image={base.address}")
    assert built.code == 1
    assert "poetry.lock does not match pyproject.toml" in built.out
    assert "poetry lock" in built.out


def test_a_digest_that_no_registry_has_is_named(run: Command, cataloged: Path, registry: str) -> None:
    """The missing digest and its repository are in the message."""
    built = run(*BUILD, f"--base-image={registry}/acme/base:1@{UNKNOWN}")
    assert built.code == 1
    assert f"{registry}/acme/base" in built.out


def test_a_full_disk_is_said_before_it_hurts(cataloged: Path, tmp_path: Path, base: Base) -> None:
    """A store without room fails with the way out, and what it held is still whole."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", str(small)], check=True)
    try:
        built = airbyte_ci("base-images", "build", "--root", "debian", cwd=cataloged, home=small / "store")
        assert built.code == 1, built.out + built.err
        assert "AIRBYTE_CI_HOME" in built.err or "No space" in built.err
        assert "Traceback" not in built.err
        assert list((small / "store" / "ingest").iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
