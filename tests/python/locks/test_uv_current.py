"""Stale uv locks: a lock is refused if its inputs in pyproject.toml have changed, like in `uv lock --check`."""

import subprocess
import sys
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError
from airbyte_ci.python.locks import uv_lock
from airbyte_ci.python.packages.lock import Wish
from tests.python.interpreters import cpython

pytestmark = pytest.mark.slow
UV = str(Path(sys.executable).parent / "uv")
WHERE = "connectors/source-x"
LIBRARY = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "NAME"
version = "1.0"
"""
PROJECT = """\
[project]
name = "source-x"
version = "0.1.0"
requires-python = ">=3.9"
dependencies = [
    "gitlib>=0.5", "lib", "six>=1; python_version < '3.20'", "idna", "tomli; python_version < '3.12'",
    "attrs @ https://files.pythonhosted.org/packages/fb/6e/6f83bf616d2becdf333a1640f1d463fef3150e2e926b7010cb0f81c95e88/\
attrs-22.2.0-py3-none-any.whl",
    "direct @ git+file://DIRECT@v1",
]

[project.optional-dependencies]
more = ["packaging>20"]

[dependency-groups]
old = ["pluggy"]

[tool.uv]
constraint-dependencies = ["pluggy<9", "zipp<4; sys_platform == 'linux'"]
override-dependencies = ["idna>3"]
exclude-dependencies = ["nothing"]

[[tool.uv.index]]
name = "own"
url = "https://pypi.org/simple/"
explicit = true

[tool.uv.sources]
gitlib = {git = "file://UPSTREAM", tag = "v1"}
lib = {path = "../lib", editable = true}
six = {index = "own"}
packaging = [{index = "own", extra = "more"}]
tomli = [{index = "own", marker = "sys_platform == 'win32'"}]
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every kind of source, locked by uv."""
    folder = tmp_path_factory.mktemp("current")
    for name in ("gitlib", "direct", "lib", "elsewhere"):
        (folder / name).mkdir()
        library = LIBRARY.replace("NAME", "lib" if name == "elsewhere" else name)
        (folder / name / "pyproject.toml").write_text(library)
    for name in ("gitlib", "direct"):
        _git(folder / name, "init", "-q", "-b", "main")
        _git(folder / name, "add", "-A")
        _git(folder / name, "commit", "-qm", "first")
        _git(folder / name, "tag", "v1")
        _git(folder / name, "tag", "v2")
    project = folder / "project"
    project.mkdir()
    text = PROJECT.replace("UPSTREAM", str(folder / "gitlib")).replace("DIRECT", str(folder / "direct"))
    (project / "pyproject.toml").write_text(text)
    subprocess.run([UV, "lock", "--quiet"], cwd=project, check=True)
    return project


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=folder, check=True)


def _is_current_by_uv(locked: Path, text: str, folder: Path) -> bool:
    """The lock with another pyproject.toml, for uv; the neighboring folders stay where they are."""
    project = locked.parent / folder.name
    project.mkdir()
    (project / "pyproject.toml").write_text(text)
    (project / "uv.lock").write_text((locked / "uv.lock").read_text())
    return subprocess.run([UV, "lock", "--check", "--quiet"], cwd=project, check=False).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('tag = "v1"', 'tag = "v2"', "gitlib"),
        ('tag = "v1"', 'branch = "main"', "gitlib"),
        ("@v1", "@v2", "direct"),
        ('gitlib = {git = "file://', '# gitlib = {git = "file://', "gitlib"),
        ('path = "../lib"', 'path = "../elsewhere"', "lib"),
        ("attrs-22.2.0-py3-none-any.whl", "attrs-22.2.0-py3-none-any.whl?other", "attrs"),
        ('six = {index = "own"}', "", "six"),
        ('"pluggy<9"', '"pluggy<8"', "pluggy"),
        ('"pluggy<9"', '"pluggy<9", "six<2"', "six"),
        ('["idna>3"]', '["idna>3.1"]', "idna"),
        ('["nothing"]', '["nothing", "tomli"]', "tomli"),
        ('"packaging>20"', '"packaging>21"', "packaging"),
        ("packaging = [", "other = [", "packaging"),
        ('["pluggy"]', '["pluggy>1"]', "pluggy"),
    ],
)
def test_what_uv_calls_stale_is_refused(locked: Path, tmp_path: Path, old: str, new: str, named: str) -> None:
    """Each change that uv sees is refused, and what changed is named."""
    text = (locked / "pyproject.toml").read_text()
    assert old in text
    changed = text.replace(old, new)
    assert not _is_current_by_uv(locked, changed, tmp_path)
    lock, wish = (locked / "uv.lock").read_text(), Wish(("old",), ("more",))
    with pytest.raises(LockError, match=rf"does not match pyproject.toml: .*\({named}\)"):
        uv_lock.select(lock, changed, cpython(), WHERE, wish)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"six>=1;', '"SIX >= 1 ;'),
        ('url = "https://pypi.org/simple/"', 'url = "https://pypi.org/simple"'),
        ('path = "../lib"', 'path = "./../lib/"'),
        ("zipp<4; sys", "zipp<4; python_version > '3' and sys"),
        ("python_version < '3.12'\"", "python_version < '3.11.5'\""),
        ("sys_platform == 'linux'", "sys_platform != 'win32'"),
    ],
)
def test_what_is_current_is_accepted(locked: Path, old: str, new: str) -> None:
    """The project as it was locked, and the same in other words."""
    text, lock = ((locked / name).read_text() for name in ("pyproject.toml", "uv.lock"))
    assert old in text
    assert uv_lock.select(lock, text.replace(old, new), cpython(), WHERE, Wish(("old",), ("more",))).packages


def test_a_project_for_another_python_is_refused(locked: Path) -> None:
    """requires-python is compared with the current pyproject.toml, not only with the lock's."""
    text = (locked / "pyproject.toml").read_text().replace('">=3.9"', '">=3.12"')
    lock = (locked / "uv.lock").read_text()
    with pytest.raises(LockError, match=r"pyproject.toml is for Python >=3.12, but the base image has Python 3.11"):
        uv_lock.select(lock, text, cpython("3.11.2"), WHERE)
