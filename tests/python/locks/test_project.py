"""The requirements of a project without a lock, in the standard tables and in poetry's."""

import tomllib

import pytest

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import project
from airbyte_ci.python.locks.project import ProjectRequirements
from airbyte_ci.python.resolution.resolve import line
from airbyte_ci.python.sources.metadata import Metadata
from tests.python.interpreters import cpython

STANDARD = """
[project]
name = "x"
requires-python = ">=3.9"
dependencies = ["a>=1", "b ; python_version < '3.11'", "lib", "own-thing"]
[project.optional-dependencies]
more = ["m"]
all = ["x[more]", "n"]
[dependency-groups]
prod = ["p", {include-group = "base"}]
base = ["q"]
[tool.uv]
constraint-dependencies = ["a<3"]
[[tool.uv.index]]
name = "own"
url = "https://own/simple"
[tool.uv.sources]
own-thing = { index = "own" }
lib = [
    { path = "../lib", editable = true, marker = "sys_platform == 'linux'" },
    { index = "win", marker = "sys_platform == 'win32'" },
]
"""
POETRY = """
[tool.poetry]
name = "x"
[tool.poetry.dependencies]
python = "^3.9,<3.12"
a = "^1.2"
b = { version = "~2.0", extras = ["X_y"], python = "<3.11" }
c = [{ version = "1.*", python = "<3.10" }, { version = ">=2", markers = "sys_platform == 'linux'" }]
d = { path = "../d", develop = true }
e = { git = "https://host/e.git", tag = "v1", subdirectory = "s" }
f = { version = "*", optional = true }
g = { version = "1.0", source = "own" }
[tool.poetry.extras]
more = ["f"]
[tool.poetry.group.prod.dependencies]
p = "*"
[tool.poetry.group.dev.dependencies]
q = "*"
[[tool.poetry.source]]
name = "own"
url = "https://own/simple"
"""


Wished = dict[str, list[str]]


def asked(text: str, interpreter: Interpreter | None = None, wish: Wished | None = None) -> ProjectRequirements:
    groups, extras = ((wish or {}).get(name, []) for name in ("groups", "extras"))
    return project.of_pyproject(
        tomllib.loads(text), interpreter or cpython(), what="x/pyproject.toml", groups=groups, extras=extras
    )


def shown(found: ProjectRequirements) -> list[str]:
    return sorted(f"{line(entry)}{' @ ' + entry.place if entry.place else ''}" for entry in found.entries)


def test_standard_tables() -> None:
    """Main dependencies that apply, uv's sources, constraints and indexes; texts keep what does not apply."""
    found = asked(STANDARD)
    assert shown(found) == ["a>=1", "lib @ ../lib", "own-thing"]
    assert [line(entry) for entry in found.constraints] == ["a<3"]
    assert found.pins == (("own-thing", "own"),)
    assert [(source.name, main) for source, main in found.indexes] == [("own", False)]
    assert "b ; python_version < '3.11'" in found.texts
    assert 'b ; python_version < "3.11"' in shown(asked(STANDARD, cpython("3.10.4")))


@pytest.mark.parametrize(
    ("wish", "more"),
    [
        ({"extras": ["All"]}, ["m", "n"]),
        ({"groups": ["prod"]}, ["p", "q"]),
        ({"groups": ["base"], "extras": ["more"]}, ["m", "q"]),
    ],
    ids=str,
)
def test_wished_extras_and_groups(wish: Wished, more: list[str]) -> None:
    """An extra may include others of its project, and a group may include others."""
    assert sorted(set(shown(asked(STANDARD, wish=wish))) - set(shown(asked(STANDARD)))) == more


def test_poetrys_tables() -> None:
    """Carets, tildes, conditions, several entries, places and sources, as poetry means them for this Python."""
    found = asked(POETRY)
    assert shown(found) == [
        "a<2,>=1.2",
        "c>=2",
        "d @ ../d",
        "e @ git+https://host/e.git@v1#subdirectory=s",
        "g==1.0",
    ]
    assert found.pins == (("g", "own"),)
    assert shown(asked(POETRY, cpython("3.9.2")))[1:4] == ["b[x-y]<2.1,>=2.0", "c==1.*", "c>=2"]
    wished = shown(asked(POETRY, wish={"groups": ["prod"], "extras": ["more"]}))
    assert sorted(set(wished) - set(shown(found))) == ["f", "p"]


@pytest.mark.parametrize(
    ("text", "wish", "said"),
    [
        (STANDARD, {"extras": ["none"]}, "x/pyproject.toml has no extra none"),
        (STANDARD, {"groups": ["none"]}, "x/pyproject.toml has no dependency group none"),
        (
            STANDARD.replace('"q"', '{include-group = "prod"}'),
            {"groups": ["prod"]},
            "the dependency group prod includes",
        ),
        (STANDARD.replace(">=3.9", ">=3.12"), {}, "is for Python >=3.12, but the base image has Python 3.11.2"),
        (POETRY.replace("<3.12", "<3.10"), {}, "is for Python ^3.9,<3.10, but the base image has Python 3.11.2"),
        (POETRY.replace('"^1.2"', '"^1 || ^3"'), {}, "a ^1 || ^3 is a constraint that only poetry can resolve"),
        (STANDARD.replace("a>=1", "a=1"), {}, "'a=1' is not a valid requirement"),
        (POETRY.replace('"^1.2"', '"nonsense"'), {}, "x/pyproject.toml is invalid"),
        ("[project]\ndependencies = 3\n", {}, "x/pyproject.toml is damaged"),
    ],
)
def test_what_cannot_be_asked_is_one_line(text: str, wish: Wished, said: str) -> None:
    """The file and the reason."""
    with pytest.raises(LockError) as caught:
        asked(text, wish=wish)
    assert said in caught.value.message and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "describes"),
    [
        (STANDARD, True),
        (POETRY, True),
        ("[build-system]\nrequires = ['setuptools']\n", False),
        ("[project]\nname = 'x'\ndynamic = ['dependencies']\n", False),
        ("[tool.black]\nline-length = 100\n", False),
    ],
)
def test_who_describes_the_project(text: str, describes: bool) -> None:
    """Without dependencies of its own, pyproject.toml leaves them to setup.py."""
    assert project.describes_itself(tomllib.loads(text)) is describes


def test_what_a_back_end_told() -> None:
    """Requires-Dist with the extras that are wished; another Python and unknown extras are refused."""
    told = Metadata(
        "x",
        "1",
        requires=("a>=1", "t ; extra == 'tests'", "w ; sys_platform == 'win32'"),
        extras=("tests",),
        requires_python=">=3.9",
    )
    assert shown(project.of_metadata(told, cpython(), "x")) == ["a>=1"]
    assert shown(project.of_metadata(told, cpython(), "x", ("tests",))) == ["a>=1", 't ; extra == "tests"']
    with pytest.raises(LockError, match="has no extra none"):
        project.of_metadata(told, cpython(), "x", ("none",))
    with pytest.raises(LockError, match=r"x is for Python >=3\.9, but the base image has Python 3\.8\.1"):
        project.of_metadata(told, cpython("3.8.1"), "x")
