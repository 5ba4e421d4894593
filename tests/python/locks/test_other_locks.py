"""uv.lock and pylock.toml: what they select is what uv itself would install."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import pylock, uv_lock
from airbyte_ci.python.packages.lock import Lock, Wish
from tests.python.interpreters import cpython

PROJECT = """\
[project]
name = "source-sample"
version = "0.1.0"
requires-python = ">=3.10,<3.14"
dependencies = [
    "requests[socks]>=2.31",
    "numpy>=2",
    "tomli>=2; python_version < '3.11'",
    "colorama; sys_platform == 'win32'",
]

[dependency-groups]
dev = ["pytest"]
"""
UV = str(Path(sys.executable).parent / "uv")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that uv has locked, with its lock in both forms."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text(PROJECT)
    _uv(folder, "lock", "--quiet")
    _uv(folder, "export", "--quiet", "--no-dev", "--no-emit-project", "--format=pylock.toml", "-o", "pylock.toml")
    return folder


def _uv(folder: Path, *arguments: str) -> str:
    return subprocess.run([UV, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def _expected(project: Path, interpreter: Interpreter) -> set[tuple[str, str]]:
    """uv's selection, with its markers evaluated for the interpreter."""
    listed = _uv(project, "export", "--quiet", "--no-dev", "--no-emit-project", "--no-hashes", "--no-annotate")
    requirements = [Requirement(line) for line in listed.splitlines() if line and not line.startswith("#")]
    environment = dict(interpreter.markers)
    return {
        (item.name, next(iter(item.specifier)).version)
        for item in requirements
        if item.marker is None or item.marker.evaluate(environment)
    }


def _by_uv_lock(project: Path, interpreter: Interpreter) -> Lock:
    return uv_lock.select((project / "uv.lock").read_text(), PROJECT, interpreter, "connectors/source-sample")


def _by_pylock(project: Path, interpreter: Interpreter) -> Lock:
    return pylock.select((project / "pylock.toml").read_text(), interpreter, "connectors/source-sample/pylock.toml")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10.14", "3.11.2", "3.12.1"])
@pytest.mark.parametrize("select", [_by_uv_lock, _by_pylock], ids=["uv.lock", "pylock.toml"])
def test_the_selection_is_uv_s(select: Callable[[Path, Interpreter], Lock], version: str, project: Path) -> None:
    """Names and versions for this Python and platform equal those of `uv export`, and every file has a hash."""
    interpreter = cpython(version)
    lock = select(project, interpreter)
    assert {(package.name, package.version) for package in lock.packages} == _expected(project, interpreter)
    assert all(package.files for package in lock.packages)


@pytest.mark.slow
def test_a_uv_lock_of_another_pyproject_is_refused(project: Path) -> None:
    """A requirement that was added after locking makes the lock stale."""
    changed = PROJECT.replace('"numpy>=2",', '"numpy>=2", "six",')
    with pytest.raises(LockError, match=r"uv.lock does not match pyproject.toml.*uv lock"):
        uv_lock.select((project / "uv.lock").read_text(), changed, cpython("3.11.2"), "connectors/source-sample")


@pytest.mark.slow
def test_a_python_outside_of_the_lock_is_refused(project: Path) -> None:
    """Both forms name their Python."""
    with pytest.raises(LockError, match=r"uv.lock is for Python .*base image has Python 3.9.18"):
        _by_uv_lock(project, cpython("3.9.18"))
    with pytest.raises(LockError, match=r"pylock.toml does not support Python 3.9.18"):
        _by_pylock(project, cpython("3.9.18"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version = 2", "only version 1 is supported"),
        ("version = 1\n<<<<<<< a\n>>>>>>> b\n", "merge conflict"),
        ("version = 1\npackage = [", "not valid TOML"),
        ("version = 1\nrequires-python = '>=3.10'\n", "does not contain source-sample"),
        ("version = 1\n[[package]]\nversion = '1'\n", "damaged"),
    ],
    ids=["version", "merge conflict", "truncated", "without the project", "without a name"],
)
def test_a_broken_uv_lock_is_one_clear_line(text: str, reason: str) -> None:
    """Each kind of damage names the file."""
    with pytest.raises(LockError, match=reason) as raised:
        uv_lock.select(text, PROJECT, cpython("3.11.2"), "connectors/source-sample")
    assert "connectors/source-sample/uv.lock" in raised.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lock-version = '1.0'", "not a PEP 751 lock"),
        ("lock-version = '9.0'\ncreated-by = 'x'\npackages = []", "not a PEP 751 lock"),
        (
            "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'a'\nversion = '1'\n"
            "[[packages.wheels]]\nname = 'a-1-py3-none-any.whl'\nurl = 'https://example.com/a-1-py3-none-any.whl'\n"
            "[packages.wheels.hashes]\nmd5 = '0'\n",
            "without a sha256",
        ),
        (
            "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'a'\n"
            "[packages.vcs]\ntype = 'hg'\nurl = 'https://x'\ncommit-id = '1'\n",
            "git is the only supported version",
        ),
    ],
    ids=["no packages", "another version", "no sha256", "mercurial"],
)
def test_a_pylock_that_cannot_be_used_is_one_clear_line(text: str, reason: str) -> None:
    """Each reason names the file."""
    with pytest.raises(LockError, match=reason) as raised:
        pylock.select(text, cpython("3.11.2"), "connectors/source-sample/pylock.toml")
    assert "pylock.toml" in raised.value.message


WISHED = """\
[project]
name = "source-sample"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["idna"]

[project.optional-dependencies]
more = ["six"]

[dependency-groups]
prod = ["attrs"]
"""


@pytest.mark.slow
def test_wished_groups_and_extras_are_uvs(tmp_path: Path) -> None:
    """Main only, unless a group or an extra is wished; a wish that the lock cannot grant is refused; both forms."""
    (tmp_path / "pyproject.toml").write_text(WISHED)
    _uv(tmp_path, "lock", "--quiet")
    _uv(
        tmp_path,
        *("export", "--quiet", "--no-emit-project", "--all-groups", "--all-extras", "--no-default-groups"),
        *("--format=pylock.toml", "-o", "pylock.toml"),
    )
    text, place = (tmp_path / "uv.lock").read_text(), "connectors/source-sample"
    for wish, names in (
        (Wish(), ["idna"]),
        (Wish(extras=("More",)), ["idna", "six"]),
        (Wish(groups=("prod",), extras=("more",)), ["attrs", "idna", "six"]),
    ):
        lock = uv_lock.select(text, WISHED, cpython(), place, wish)
        assert [package.name for package in lock.packages] == names
    stale = WISHED.replace('"six"', '"six>=1"')
    assert uv_lock.select(text, stale, cpython(), place).packages
    with pytest.raises(LockError, match="does not match"):
        uv_lock.select(text, stale, cpython(), place, Wish(extras=("more",)))
    with pytest.raises(LockError, match="has no group 'none'"):
        uv_lock.select(text, WISHED, cpython(), place, Wish(groups=("none",)))


def test_wished_groups_and_extras_of_a_pylock() -> None:
    """PEP 751's markers on extras and groups; default groups are always there."""
    text = """
lock-version = "1.0"
created-by = "x"
extras = ["more"]
dependency-groups = ["base", "prod"]
default-groups = ["base"]
"""
    for name, marker in (("a", ""), ("b", "'more' in extras"), ("c", "'prod' in dependency_groups")):
        text += f'[[packages]]\nname = "{name}"\nversion = "1"\n' + (f'marker = "{marker}"\n' if marker else "")
        text += f'wheels = [{{url = "https://f/{name}-1-py3-none-any.whl", hashes = {{sha256 = "{"0" * 64}"}}}}]\n'
    for wish, names in ((Wish(), "a"), (Wish(extras=("more",)), "ab"), (Wish(("prod",), ("more",)), "abc")):
        assert "".join(item.name for item in pylock.select(text, cpython(), "pylock.toml", wish).packages) == names
    with pytest.raises(LockError, match="has no extra 'none'"):
        pylock.select(text, cpython(), "pylock.toml", Wish(extras=("none",)))
