"""The public Python API: its page is typed and true."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import airbyte_ci
from airbyte_ci import AirbyteCiError, UsageError, build, find_connectors, plan
from tests.e2e.conftest import PROJECT
from tests.e2e.tiny import NAME, Tiny

pytestmark = pytest.mark.slow
EXAMPLES = re.findall(r"^```python\n(.*?)^```", (PROJECT / "docs/python-api.md").read_text(), re.MULTILINE | re.DOTALL)
FIND, BUILD, VERIFY, REGISTRY = EXAMPLES


def test_the_examples_have_types(tmp_path: Path) -> None:
    """mypy accepts every example in strict mode, so the package's types are complete for its users."""
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(example)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(PROJECT / ".mypy_cache"), str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_exported_name_is_on_the_page() -> None:
    """The page describes what `airbyte_ci` exports, and each exported name exists."""
    page = (PROJECT / "docs/python-api.md").read_text()
    for name in airbyte_ci.__all__:
        assert getattr(airbyte_ci, name) is not None
        assert name == "__version__" or f"`{name}" in page
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        airbyte_ci.nothing  # noqa: B018  # the access is the test


def _printed(example: str, folder: Path) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
        exec(compile(example, "example", "exec"), {})
    return printed.getvalue()


def test_connectors_are_found(fleet: Path) -> None:
    """The first example prints the connectors that are behind, and filters work as on the command line."""
    assert _printed(FIND, fleet).splitlines()[0].split()[0] == "source-exchange-rates-archive"
    assert [item.name for item in find_connectors(fleet, languages=["java"])] == ["source-ledger"]
    with pytest.raises(UsageError, match="there is no connector 'source-parcel'"):
        find_connectors(fleet, names=["source-parcel"])


def test_an_image_is_planned_and_built(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second example builds into a layout; the plan's digest is in the image, and failures are results."""
    for name, value in (tiny.environment | {"AIRBYTE_CI_HOME": str(tiny.home)}).items():
        monkeypatch.setenv(name, value)
    built, planned = _printed(BUILD.replace("source-parcels", NAME), tiny.folder).splitlines()
    assert re.fullmatch(rf"{NAME} linux/\w+ sha256:[0-9a-f]{{64}}", built)
    assert (tiny.folder / "images/index.json").exists()
    assert re.fullmatch("sha256:[0-9a-f]{64}", planned)
    assert str(plan(tiny.folder, NAME).digest) == planned
    (tiny.connector() / "requirements.txt").write_text("nothing\n")
    (failed,) = build(tiny.folder, [NAME])
    assert (failed.status, failed.is_built, bool(failed.reason)) == ("failed", False, True)
    with pytest.raises(UsageError, match="--print-plan"):
        build(tiny.folder, [NAME], options=["--watch", "--print-plan"])


def test_what_is_not_there_is_not_verified(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third example prints why an image that cannot be fetched is not verified."""
    monkeypatch.setenv("AIRBYTE_CI_HOME", str(tiny.home))
    address = "127.0.0.1:1/source-parcels:0.3.10"
    assert "127.0.0.1:1" in _printed(
        VERIFY.replace("registry.acme.example/source-parcels:0.3.10", address), tiny.folder
    )


def test_the_registry_fails_on_purpose(tmp_path: Path) -> None:
    """The last example prints the refused request and then the successful one."""
    assert _printed(REGISTRY, tmp_path) == "503\n200\n"


def test_an_error_keeps_its_message(tmp_path: Path) -> None:
    """An error of the command arrives as an exception with the same text."""
    (tmp_path / ".git").mkdir()
    with pytest.raises(AirbyteCiError) as caught:
        plan(tmp_path, "source-x")
    assert not str(caught.value).startswith("✗")
    assert "no connector" in str(caught.value)
