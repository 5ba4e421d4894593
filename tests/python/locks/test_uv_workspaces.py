"""uv workspaces: the root's lock serves a member, and what is selected is what uv itself exports for it."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from airbyte_ci.errors import LockError
from airbyte_ci.python.locks import uv_lock, uv_workspace
from airbyte_ci.python.packages.lock import FromDirectory, Lock, Wish
from tests.python.interpreters import cpython

UV = str(Path(sys.executable).parent / "uv")
ROOT = """\
[project]
name = "root"
version = "0"
requires-python = ">=3.10"
dependencies = ["zipp"]

[tool.uv]
constraint-dependencies = ["six<2"]

[tool.uv.workspace]
members = ["connectors/*", "lib"]

[tool.uv.sources]
lib = {workspace = true}
"""
MEMBER = """\
[project]
name = "source-x"
version = "0.1"
requires-python = ">=3.10"
dependencies = ["lib[more]", "near", "six; sys_platform == 'linux'", "tomli; python_version < '3.11'"]

[dependency-groups]
prod = ["attrs", {include-group = "base"}]
base = ["idna"]
dev = ["iniconfig"]

[tool.uv]
default-groups = ["base", "dev"]

[tool.uv.sources]
near = {path = "../../near"}
"""
LIBRARY = """\
[project]
name = "NAME"
version = "0.2"
requires-python = ">=3.10"
[project.optional-dependencies]
more = ["packaging"]
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A connector in a workspace that uv has locked."""
    root = tmp_path_factory.mktemp("workspace")
    for path, text in (
        (".", ROOT),
        ("connectors/source-x", MEMBER),
        ("lib", LIBRARY.replace("NAME", "lib")),
        ("near", LIBRARY.replace("NAME", "near")),
    ):
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / "pyproject.toml").write_text(text)
    subprocess.run([UV, "lock", "--quiet"], cwd=root, check=True)
    return root / "connectors" / "source-x"


def selected(member: Path, wish: Wish, text: str = MEMBER) -> Lock:
    root = member.parent.parent
    shared = uv_lock.Workspace((root / "pyproject.toml").read_text(), "connectors/source-x", ".")
    return uv_lock.select((root / "uv.lock").read_text(), text, cpython(), "connectors/source-x", wish, shared)


@pytest.mark.slow
@pytest.mark.parametrize("wish", [Wish(), Wish(groups=("prod",)), Wish(groups=("dev",))], ids=str)
def test_the_roots_lock_serves_a_member(member: Path, wish: Wish) -> None:
    """As `uv sync --no-dev` with the wished groups: default groups, extras of other members, paths from the member."""
    more = [f"--group={name}" for name in wish.groups] + ([] if "dev" in wish.groups else ["--no-group=dev"])
    plain = ("--quiet", "--frozen", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header")
    done = subprocess.run([UV, "export", *plain, *more], cwd=member, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("-e", "/", "."))]
    found = [item for item in map(Requirement, lines) if not item.marker or item.marker.evaluate(cpython().markers)]
    lock = selected(member, wish)
    assert {item.name for item in lock.packages} == {item.name for item in found} | {"lib", "near"}
    folders = {item.name: item.origin for item in lock.packages if isinstance(item.origin, FromDirectory)}
    assert folders == {"lib": FromDirectory("../../lib", editable=True), "near": FromDirectory("../../near")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "named"), [('"near"', '"near", "pluggy"', "pluggy"), ("../../near", "../../lib", "near")]
)
def test_a_member_that_changed_is_refused(member: Path, old: str, new: str, named: str) -> None:
    """The lock must match the member's current requirements and origins."""
    with pytest.raises(LockError, match=rf"does not match pyproject.toml: .*\({named}\)"):
        selected(member, Wish(), MEMBER.replace(old, new))


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("connectors/a", True),
        ("connectors/left-out", False),
        ("connectors/a/b", False),
        ("deep/er/lib", True),
        ("deep/lib", True),
        ("other", False),
        ("exact", True),
    ],
)
def test_members_are_named_by_globs(member: str, expected: bool) -> None:
    """A star stays within a folder, two stars do not, and what is excluded is no member."""
    workspace = {"members": ["connectors/*", "deep/**/lib", "./exact/"], "exclude": ["connectors/left-*"]}
    assert uv_workspace.is_member({"tool": {"uv": {"workspace": workspace}}}, member) is expected
    assert not uv_workspace.is_member({"tool": {"uv": {}}}, member)
