"""Extras and groups that exclude each other in a uv.lock: what is selected is what uv itself exports."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from airbyte_ci.errors import LockError
from airbyte_ci.python.locks import uv_lock
from airbyte_ci.python.packages.lock import Wish
from tests.python.interpreters import cpython

UV = str(Path(sys.executable).parent / "uv")
WHERE = "connectors/source-x"
# cattrs needs attrs; only the selection decides which version.
EXTRAS = """\
[project]
name = "source-x"
version = "0.1.0"
requires-python = ">=3.11,<3.13"
dependencies = ["cattrs==22.2.0"]

[project.optional-dependencies]
cpu = ["attrs==22.2.0"]
gpu = ["attrs==23.1.0"]
more = ["six==1.16.0", "source-x[cpu]"]

[dependency-groups]
old = ["idna==3.3"]
new = ["idna==3.4"]
both = [{include-group = "new"}, "six"]

[tool.uv]
conflicts = [
    [{extra = "cpu"}, {extra = "gpu"}],
    [{extra = "more"}, {extra = "gpu"}],
    [{group = "old"}, {group = "new"}],
    [{group = "old"}, {extra = "gpu"}],
]
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conflicts")
    (folder / "pyproject.toml").write_text(EXTRAS)
    subprocess.run([UV, "lock", "--quiet"], cwd=folder, check=True)
    return folder


def _exported(folder: Path, wish: Wish) -> set[tuple[str, str]] | None:
    """Names and versions by uv, None where it refuses."""
    wished = [f"--extra={name}" for name in wish.extras] + [f"--group={name}" for name in wish.groups]
    plain = ("--quiet", "--no-default-groups", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header")
    done = subprocess.run([UV, "export", *plain, *wished], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        assert "incompatible with the" in done.stderr
        return None
    requirements = [Requirement(line) for line in done.stdout.splitlines()]
    environment = dict(cpython().markers)
    return {
        (item.name, next(iter(item.specifier)).version)
        for item in requirements
        if item.marker is None or item.marker.evaluate(environment)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(extras=("cpu",)),
        Wish(extras=("GPU",)),
        Wish(extras=("more",)),
        Wish(groups=("old",)),
        Wish(groups=("both",), extras=("gpu",)),
        Wish(groups=("old",), extras=("more",)),
        Wish(extras=("cpu", "gpu")),
        Wish(extras=("more", "gpu")),
        Wish(groups=("old", "new")),
        Wish(groups=("both", "old")),
        Wish(groups=("old",), extras=("gpu",)),
    ],
    ids=str,
)
def test_what_excludes_each_other_is_selected_as_by_uv(locked: Path, wish: Wish) -> None:
    """For each selection, the versions are those of `uv export`; excluded combinations are refused and named."""
    text, expected = (locked / "uv.lock").read_text(), _exported(locked, wish)
    if expected is None:
        with pytest.raises(LockError, match=r"conflict|twice for the selected"):
            uv_lock.select(text, EXTRAS, cpython(), WHERE, wish)
    else:
        found = uv_lock.select(text, EXTRAS, cpython(), WHERE, wish)
        assert {(item.name, item.version) for item in found.packages} == expected


DOUBLE = """\
version = 1
[[package]]
name = "source-x"
source = { virtual = "." }
dependencies = [
    { name = "a", version = "1.0" },
    { name = "a", version = "2.0" },
]
[[package]]
name = "a"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "a"
version = "2.0"
source = { registry = "https://pypi.org/simple" }
"""


def test_two_versions_of_one_package_are_refused() -> None:
    """A lock that leads to two entries of one name is an error that names both, whichever comes first."""
    with pytest.raises(LockError, match=r"uv.lock has a twice .*: 1.0 \(registry .*\) and 2.0 \(registry"):
        uv_lock.select(DOUBLE, '[project]\nname = "source-x"\n', cpython(), WHERE)
