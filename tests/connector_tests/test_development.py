"""Which groups and extras are for tests: by their names, and the lock knows them under those names."""

from pathlib import Path

import pytest

from airbyte_ci.connector_tests import development
from airbyte_ci.connectors import find
from airbyte_ci.python.locks import poetry, toml
from airbyte_ci.python.packages.lock import Wish
from tests.python.interpreters import cpython
from tests.python.sample_locks import lock, package

PROJECTS: dict[str, tuple[str, str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "poetry": (
        "poetry.lock",
        "[tool.poetry.group.dev.dependencies]\npytest = '*'\n[tool.poetry.group.docs.dependencies]\nsphinx = '*'\n",
        (("dev",), ()),
    ),
    "poetry before 1.2": ("poetry.lock", "[tool.poetry.dev-dependencies]\npytest = '*'\n", (("dev",), ())),
    "poetry's extras": (
        "poetry.lock",
        "[tool.poetry.dependencies]\npytest = {version = '*', optional = true}\n"
        "[tool.poetry.extras]\nTests = ['pytest']\nother = []\n",
        ((), ("Tests",)),
    ),
    "standard tables": (
        "uv.lock",
        "[dependency-groups]\ntest = ['pytest']\n[project.optional-dependencies]\ndev = ['pytest']\nall = []\n",
        (("test",), ("dev",)),
    ),
    "uv before groups": ("uv.lock", "[tool.uv]\ndev-dependencies = ['pytest']\n", (("dev",), ())),
    "nothing": ("poetry.lock", "[tool.poetry]\nname = 'a'\n", ((), ())),
    "requirements": ("requirements.txt", "[dependency-groups]\ndev = ['pytest']\n", ((), ())),
}


@pytest.mark.parametrize(("kind", "project", "expected"), PROJECTS.values(), ids=PROJECTS)
def test_what_is_for_tests_is_found(
    tmp_path: Path, kind: str, project: str, expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """Poetry's lock supports it too, so that pytest is selected."""
    for name, text in (("metadata.yaml", "data: {}\n"), ("pyproject.toml", project), (kind, "a==1 --hash=sha256:0")):
        (tmp_path / name).write_text(text)
    groups, extras = development.asked(find.read(tmp_path, tmp_path))
    assert (groups, extras) == expected
    if kind == "poetry.lock" and (groups or extras):
        text = lock(project, package("pytest", "8.0", *(["optional = true"] if extras else [])))
        found = poetry.select(text, project, cpython(), "here", Wish(groups, extras))
        assert [item.name for item in found.packages] == ["pytest"]


def test_a_pylock_says_itself_what_it_has(tmp_path: Path) -> None:
    """Requirements of pyproject.toml are included only if they were locked (PEP 751)."""
    text = 'lock-version = "1.0"\nextras = ["tests", "docs"]\ndependency-groups = ["dev"]\n'
    assert toml.parse(text, "pylock.toml")
    for name, content in (("metadata.yaml", "data: {}\n"), ("pylock.toml", text)):
        (tmp_path / name).write_text(content)
    assert development.asked(find.read(tmp_path, tmp_path)) == (("dev",), ("tests",))
