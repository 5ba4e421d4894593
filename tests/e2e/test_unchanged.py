"""A second build with nothing changed reads nothing and plans nothing, and is never wrong about it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.tiny import Tiny

pytestmark = pytest.mark.slow


@pytest.fixture
def idle(tmp_path: Path) -> dict[str, str]:
    """An environment in which planning, index queries and containers fail at once."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "REFUSED = {'images.planning', 'python.index.simple_api', 'sandbox.sandbox'}\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.removeprefix('airbyte_ci.') in REFUSED:\n"
        "            raise SystemExit(f'{name} was imported')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def _settled(tiny: Tiny) -> None:
    """Builds until nothing that was read is younger than a tick of the file system's clock."""
    for _ in range(2):
        assert tiny.build().code == 0


def test_nothing_changed_is_not_planned(tiny: Tiny, idle: dict[str, str], registry: str) -> None:
    """Not even the modules that would plan, fetch or run are imported; other outputs and tags need no plan either."""
    _settled(tiny)
    expected = tiny.build().json["digest"]
    for arguments in ((), ("--tag=other",), (f"--output=registry:{registry}/unchanged",)):
        again = tiny.build(*arguments, env=idle)
        assert again.code == 0, again.out + again.err
        assert (again.json["digest"], again.json["cached"]) == (expected, True)


def _edit(path: str) -> Callable[[Tiny], None]:
    def change(tiny: Tiny) -> None:
        place = tiny.folder / path
        place.write_text(place.read_text() + "# more\n")

    return change


CHANGES: dict[str, Callable[[Tiny], object]] = {
    "the code": _edit("connectors/source-tiny/main.py"),
    "the lock": _edit("connectors/source-tiny/requirements.txt"),
    "the folder that it needs": _edit("lib/tinydep/__init__.py"),
    "a file that its lock includes": _edit("shared.txt"),
    "what git ignores": lambda tiny: (tiny.folder / ".gitignore").write_text("*.txt\n"),
    "an option": lambda tiny: tiny.env.update(SOURCE_DATE_EPOCH="7"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_is_planned(tiny: Tiny, idle: dict[str, str], change: Callable[[Tiny], object]) -> None:
    """Everything that a plan reads, anywhere."""
    tiny.with_tools()
    library = tiny.folder / "lib/tinydep"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("VERSION = '9'\n")
    (library.parent / "pyproject.toml").write_text('[project]\nname = "tinydep"\nversion = "9"\n')
    (tiny.folder / "shared.txt").write_text(tiny.wheel("shared", "1.0", {"shared.py": ""}))
    tiny.require("-e ../../lib\n-r ../../shared.txt\n")
    _settled(tiny)
    assert tiny.build(env=idle).code == 0
    change(tiny)
    assert "was imported" in tiny.build(env=idle).err
