"""poetry.lock: the selection for an interpreter, which locks are current, and the errors of invalid ones."""

import tomllib
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry
from airbyte_ci.python.packages import constraints
from airbyte_ci.python.packages.lock import Wish
from tests.python.interpreters import cpython
from tests.python.sample_locks import lock, package, project, real, select

EXAMPLES = Path(__file__).parents[3] / "examples"
EXPECTED = Path(__file__).parent / "selected_by_poetry"


def refusal(text: str, pyproject: str, interpreter: Interpreter | None = None) -> str:
    with pytest.raises(LockError) as caught:
        poetry.select(text, pyproject, interpreter or cpython(), "connectors/x")
    assert "\n" not in caught.value.message
    return str(caught.value)


# --- selection -------------------------------------------------------------------------------------


def test_dependencies_are_followed() -> None:
    """Required packages are selected with their dependencies, by normalized name; unneeded ones are not."""
    packages = (
        package("A.b_C", "1.0", dependencies=('Dd = ">=1"',)),
        package("dd", "1.5"),
        package("pytest", "8.0"),
    )
    assert select(project('a-b-c = "^1.0"'), *packages) == ["a-b-c==1.0", "dd==1.5"]


def test_a_cycle_ends() -> None:
    """Packages may need each other."""
    packages = (package("a", "1.0", dependencies=('b = "*"',)), package("b", "1.0", dependencies=('a = "*"',)))
    assert select(project('a = "*"'), *packages) == ["a==1.0", "b==1.0"]


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ('"*"', True),
        ('{version = "*", markers = "sys_platform == \'linux\'"}', True),
        ('{version = "*", markers = "sys_platform == \'win32\'"}', False),
        ('{version = "*", markers = "python_version < \'3.11\'"}', False),
        ('{version = "*", markers = "python_full_version >= \'3.11.2\'"}', True),
        ("{version = \"*\", markers = \"platform_machine == 'x86_64' and implementation_name != 'pypy'\"}", True),
        ('{version = "*", markers = "extra == \'x\'"}', False),
        ('{version = "*", python = "<3.11"}', False),
        ('{version = "*", python = "^3.9"}', True),
        ('{version = "*", platform = "linux"}', True),
        ('{version = "*", platform = "darwin"}', False),
        ('{version = "*", optional = true}', False),
        ('[{version = "*", python = "<3.10"}, {version = "*", python = ">=3.12"}]', False),
        ('[{version = "*", python = "<3.10"}, {version = "*", python = ">=3.10"}]', True),
    ],
    ids=str,
)
def test_markers_decide_an_edge(constraint: str, expected: bool) -> None:
    """A dependency applies where its markers, Python and platform hold for the image's interpreter."""
    found = ["b==1.0"] if expected else []
    assert select(project(f"b = {constraint}"), package("b", "1.0")) == found
    through = package("a", "1.0", dependencies=(f"b = {constraint}",))
    assert select(project('a = "*"'), through, package("b", "1.0")) == ["a==1.0", *found]


EXTRAS = (
    package(
        "a",
        "1.0",
        dependencies=(
            'b = {version = "*", optional = true}',
            'c = {version = "*", optional = true, markers = "extra == \'more\'"}',
            'd = {version = "*", optional = true}',
        ),
        more='[package.extras]\nsome_B = ["b (>=1.0)"]\nmore = ["C (>=1.0) ; python_version >= \'3.8\'"]\n'
        'all = ["a[some-b,more]"]\nround = ["a[round]"]\n',
    ),
    package("b", "1.0", "optional = true"),
    package("c", "1.0", "optional = true"),
    package("d", "1.0", "optional = true"),
)


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ("", []),
        ("some-b", ["b"]),
        ("Some_B", ["b"]),
        ("more", ["c"]),
        ("some-b', 'more", ["b", "c"]),
        ("round", []),
        ("unknown", []),
    ],
)
def test_extras_bring_optional_dependencies(extras: str, expected: list[str]) -> None:
    """A requested extra adds the packages that it lists, and nothing else optional."""
    asked = f"extras = ['{extras}']" if extras else "optional = false"
    found = select(project(f"a = {{version = '*', {asked}}}"), *EXTRAS)
    assert found == ["a==1.0", *(f"{name}==1.0" for name in expected)]


def test_an_extra_may_ask_for_others() -> None:
    """`all = ["a[one,two]"]` adds the packages of both: markers hold for the included extras."""
    assert select(project("a = {version = '*', extras = ['all']}"), *EXTRAS) == ["a==1.0", "b==1.0", "c==1.0"]


def test_extras_of_several_askers_come_together() -> None:
    """One package requires it without and another with an extra: the extra's dependencies are added."""
    other = package("other", "1.0", dependencies=("a = {version = '*', extras = ['more']}",))
    assert select(project("a = '*'", "other = '*'"), other, *EXTRAS) == ["a==1.0", "c==1.0", "other==1.0"]


NUMPY = (
    package("numpy", "1.24.4", 'python-versions = ">=3.8"'),
    package("numpy", "1.26.4", 'python-versions = ">=3.9"'),
    package("numpy", "2.1.0", 'python-versions = ">=3.10"'),
)


@pytest.mark.parametrize(
    ("wanted", "python", "expected"),
    [
        ("'*'", "3.9.18", "1.26.4"),
        ("'*'", "3.11.2", "2.1.0"),
        ("'<2'", "3.11.2", "1.26.4"),
        ("'1.24.4'", "3.11.2", "1.24.4"),
        ("[{version = '1.24.4', python = '<3.10'}, {version = '^2', python = '>=3.10'}]", "3.9.18", "1.24.4"),
        ("[{version = '1.24.4', python = '<3.10'}, {version = '^2', python = '>=3.10'}]", "3.11.2", "2.1.0"),
    ],
)
def test_of_several_entries_the_newest_admitted_counts(wanted: str, python: str, expected: str) -> None:
    """A package with an entry for each Python: the newest that Python and constraints admit, as poetry solves it."""
    assert select(project(f"numpy = {wanted}"), *NUMPY, interpreter=cpython(python)) == [f"numpy=={expected}"]


@pytest.mark.parametrize("first", ["free", "strict"])
def test_the_order_of_askers_does_not_matter(first: str) -> None:
    """Every constraint applies, from any dependent, at any point of the walk."""
    free = package("free", "1.0", dependencies=("numpy = '*'",))
    strict = package("strict", "1.0", dependencies=("deep = '*'",))
    deep = package("deep", "1.0", dependencies=("numpy = {version = '<2', markers = \"sys_platform == 'linux'\"}",))
    order = ("free = '*'", "strict = '*'") if first == "free" else ("strict = '*'", "free = '*'")
    assert "numpy==1.26.4" in select(project(*order), *NUMPY, free, strict, deep)


def test_what_a_rejected_entry_needs_is_not_selected() -> None:
    """Choosing another entry of a package takes its dependencies along, and leaves those of the first."""
    old = package("x", "1.0", dependencies=("old-only = '*'",))
    new = package("x", "2.0", dependencies=("new-only = '*'",))
    strict = package("strict", "1.0", dependencies=("x = '<2'",))
    others = (package("old-only", "1.0"), package("new-only", "1.0"))
    assert select(project("x = '*'", "strict = '*'"), old, new, strict, *others) == [
        "old-only==1.0",
        "strict==1.0",
        "x==1.0",
    ]


def test_a_source_chooses_among_entries() -> None:
    """`source = …` takes the entry of that index; PyPI is the one without a name."""
    public, own = (
        package("torch", "2.1"),
        package(
            "torch",
            "2.1+cpu",
            more='[package.source]\ntype = "legacy"\nurl = "https://own.example/simple"\nreference = "own"\n',
        ),
    )
    assert select(project("torch = {version = '*', source = 'own'}"), public, own) == ["torch==2.1+cpu"]
    assert select(project("torch = {version = '*', source = 'pypi'}"), public, own) == ["torch==2.1"]


def test_format_2_1_has_markers_on_entries() -> None:
    """An entry's own markers, plain or per group, decide whether it applies."""
    packages = (
        package("x", "1.0", "groups = ['main']", "markers = \"python_version < '3.11'\""),
        package("x", "2.0", "groups = ['main', 'dev']", "markers = {main = \"python_version >= '3.11'\"}"),
    )
    assert select(project("x = '*'"), *packages) == ["x==2.0"]
    assert select(project("x = '*'"), *packages, interpreter=cpython("3.9.18")) == ["x==1.0"]


def test_format_1_has_its_hashes_at_the_end() -> None:
    """Before 2.0, files are listed under [metadata.files] by the name as it is written."""
    pyproject = project("Some_Thing = '*'")
    files = f'[metadata.files]\nSome_Thing = [{{file = "s.whl", hash = "sha256:{"a" * 64}"}}]\n'
    text = lock(pyproject, package("Some_Thing", "1.0", "files = []"), metadata=files)
    (found,) = poetry.select(text, pyproject, cpython(), "x").packages
    assert [(file.name, file.sha256) for file in found.files] == [("s.whl", "a" * 64)]


@pytest.mark.parametrize(
    ("pyproject", "expected"),
    [
        ('[project]\nname = "x"\ndependencies = ["A[more] (>=1,<2)", "b; sys_platform == \'win32\'"]\n', ["a", "c"]),
        ('[project]\nname = "x"\ndependencies = ["d"]\n[tool.poetry.dependencies]\nd = {source = "PyPI"}\n', ["d"]),
        ('[project]\nname = "x"\ndependencies = ["d"]\n[tool.poetry.dependencies]\nother = "*"\n', ["d"]),
        ('[project]\nname = "x"\ndependencies = ["d"]\noptional-dependencies = {x = ["b"]}\n', ["d"]),
        (
            '[project]\nname = "x"\ndynamic = ["dependencies"]\n[tool.poetry.dependencies]\npython = "*"\nd = "*"\n',
            ["d"],
        ),
        ('[project]\nname = "x"\ndependencies = ["d"]\n[dependency-groups]\ndev = ["b"]\n', ["d"]),
        ('[tool.poetry.group.main.dependencies]\nd = "*"\n[tool.poetry.group.dev.dependencies]\nb = "*"\n', ["d"]),
        ('[project]\nname = "x"\nrequires-python = ">=3.9"\n', []),
    ],
    ids=["pep-621", "enriched", "not-enriching", "optional", "dynamic", "dependency-groups", "main-group", "nothing"],
)
def test_every_way_to_say_dependencies(pyproject: str, expected: list[str]) -> None:
    """PEP 621, poetry's tables, both together: only the main dependencies are installed."""
    assert select(pyproject, *EXTRAS) == [f"{name}==1.0" for name in expected]


def test_who_asked_is_remembered() -> None:
    """Each package knows who needs it; the connector itself has no name."""
    pyproject = project("a = '*'", "b = '*'")
    text = lock(pyproject, package("a", "1.0", dependencies=("B = '*'",)), package("b", "1.0"))
    found = poetry.select(text, pyproject, cpython(), "x")
    assert {item.name: item.required_by for item in found.packages} == {"a": ("",), "b": ("", "a")}


# --- real locks -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_locks_are_current_and_select() -> None:
    """All 62 locks of June 2024 are current; all but one select, and that one poetry refuses too."""
    refused, number = {}, 0
    for name, text, pyproject in real():
        number += 1
        recorded = tomllib.loads(text)["metadata"]["content-hash"]
        assert recorded in poetry.content_hashes(tomllib.loads(pyproject)), name
        try:
            assert poetry.select(text, pyproject, cpython("3.9.18"), name).packages
        except LockError as error:
            refused[name] = error.message
    assert number == 62
    # Its lock was edited by hand; poetry 2.1.4 reports "airbyte-cdk (1.3.3) which doesn't match any versions".
    assert refused == {
        "source-bigquery": "source-bigquery/poetry.lock: the connector needs airbyte-cdk 1.3.3, but the lock has 0.90.0"
    }


@pytest.mark.parametrize("expected", sorted(EXPECTED.glob("*.txt")), ids=lambda path: path.stem)
def test_the_selection_is_poetrys_own(expected: Path) -> None:
    """Names and versions are those of `poetry install --only main --dry-run` (poetry 2.1.4, that Python)."""
    name, _, python = expected.stem.rpartition("-")
    text, pyproject = next((text, pyproject) for other, text, pyproject in real() if other == name)
    found = poetry.select(text, pyproject, cpython(python), name)
    assert {f"{item.name}=={item.version}" for item in found.packages} == set(expected.read_text().split())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("**/poetry.lock")), ids=lambda path: path.parent.name)
def test_the_examples_locks_are_current(path: Path) -> None:
    """The examples' own locks fit their pyproject.toml files, for the demo's Python or the published bases'."""
    text, pyproject = path.read_text(), (path.parent / "pyproject.toml").read_text()
    wanted = tomllib.loads(text)["metadata"]["python-versions"]
    python = next(python for python in ("3.11.2", "3.9.18") if constraints.admits(wanted, python))
    assert poetry.select(text, pyproject, cpython(python), path.parent.name).packages


# --- groups and extras ----------------------------------------------------------------------------

_WISHED = """
[tool.poetry]
name = "x"
[tool.poetry.dependencies]
python = "^3.9"
a = "*"
b = { version = "*", optional = true }
[tool.poetry.extras]
More = ["b"]
[tool.poetry.group.prod.dependencies]
c = "*"
[tool.poetry.group.dev.dependencies]
d = "*"
"""
_WISHED_STANDARD = """
[project]
name = "x"
requires-python = ">=3.9"
dependencies = ["a"]
[project.optional-dependencies]
more = ["b"]
[dependency-groups]
prod = ["c"]
dev = [{include-group = "prod"}, "d"]
"""


@pytest.mark.parametrize("pyproject", [_WISHED, _WISHED_STANDARD], ids=["poetry's tables", "standard"])
@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (Wish(), "a"),
        (Wish(extras=("more",)), "ab"),
        (Wish(groups=("Prod",)), "ac"),
        (Wish(groups=("prod",), extras=("more",)), "abc"),
    ],
    ids=str,
)
def test_groups_and_extras_are_there_when_they_are_wished(pyproject: str, wish: Wish, names: str) -> None:
    """Main dependencies only, but for a wish; format 2.1's markers by group and by extra are heeded."""
    lines = {
        "a": "groups = ['main']",
        "b": "groups = ['main']\nmarkers = \"extra == 'more'\"",
        "c": "groups = ['prod', 'dev']\nmarkers = {prod = \"python_version >= '3.9'\"}",
        "d": "groups = ['dev']",
    }
    text = lock(pyproject, *(package(name, "1.0", more) for name, more in lines.items()))
    found = poetry.select(text, pyproject, cpython(), "connectors/x", wish)
    assert "".join(item.name for item in found.packages) == names


_INCLUDING = """
[tool.poetry]
name = "x"
[tool.poetry.dependencies]
python = "^3.9"
a = "*"
[tool.poetry.group.prod]
include-groups = ["Base_1", "standard"]
[tool.poetry.group.prod.dependencies]
c = "*"
[tool.poetry.group.base-1.dependencies]
d = "*"
[dependency-groups]
standard = ["e", {include-group = "last"}]
last = ["f"]
"""


def test_a_group_brings_the_groups_that_it_includes() -> None:
    """poetry's `include-groups` and PEP 735's `include-group` are followed, also from one table into the other."""
    packages = [package(name, "1.0") for name in "abcdef"]
    text = lock(_INCLUDING, *packages)
    found = poetry.select(text, _INCLUDING, cpython(), "connectors/x", Wish(groups=("prod",)))
    assert "".join(item.name for item in found.packages) == "acdef"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('["f"]', '[{include-group = "standard"}]', "the dependency group standard includes itself"),
        ('"Base_1"', '"gone"', "no dependency group gone, which prod includes"),
    ],
)
def test_a_group_that_includes_itself_or_nothing_is_refused(old: str, new: str, reason: str) -> None:
    """The group is named, and the one that includes it."""
    changed = _INCLUDING.replace(old, new)
    with pytest.raises(LockError, match=reason):
        poetry.select(lock(changed, package("a", "1.0")), changed, cpython(), "connectors/x", Wish(groups=("prod",)))


@pytest.mark.parametrize("wish", [Wish(groups=("none",)), Wish(extras=("none",))], ids=str)
def test_a_wish_that_cannot_be_granted_is_refused(wish: Wish) -> None:
    """The kind and the name."""
    text = lock(_WISHED, package("a", "1.0"))
    with pytest.raises(LockError, match=r"pyproject.toml has no (group|extra) 'none'"):
        poetry.select(text, _WISHED, cpython(), "connectors/x", wish)


# --- current or stale -----------------------------------------------------------------------------

_POETRY = '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "^3.9"\nsix = "^1.16"\n'
_PROJECT = '[project]\nname = "x"\nrequires-python = ">=3.9"\ndependencies = ["six (>=1.16)"]\n'
_GROUPS = '[dependency-groups]\ndev = ["pytest"]\n'
_OLD = "03ad29a0ba7630030b8c7f96440f361ded0d3a6fb00b9fda78ff45a6fd3fb103"


@pytest.mark.parametrize(
    ("pyproject", "hashes"),
    [
        (_POETRY, [_OLD]),
        (
            _POETRY.replace("six", "[tool.poetry.group.dev.dependencies]\nsix"),
            ["5abc392152995037e1a9c91c50e448d2211796dfcf956f74059019afdb87855c"],
        ),
        (_PROJECT, ["853e7b644c97e94850319209ca8a4867d0c3cab29b702254080add1ee9518cde"]),
        (
            _PROJECT + '[tool.poetry.dependencies]\nsix = { source = "own" }\n',
            ["bfcc779030a54de4fd10dfb3635c7ae43c1153a71cbff328f66b56836806c0c3"],
        ),
        ('[project]\nname = "x"\ndynamic = ["dependencies"]\n' + _POETRY, [_OLD]),
        (
            _PROJECT + _GROUPS,
            [
                "853e7b644c97e94850319209ca8a4867d0c3cab29b702254080add1ee9518cde",
                "e00f0715c120c7e4a670cf94a558cdae8569bb259d70d71a897ef003e07b7a45",
            ],
        ),
        (_POETRY + _GROUPS, [_OLD, "9580a76d4fb69d1d0c363aabcea1edd4db11348d0fe37a511174a01d8c4a811e"]),
    ],
    ids=["legacy", "legacy-group", "pep-621", "pep-621-enriched", "dynamic", "groups", "only-groups"],
)
def test_content_hashes_are_poetrys(pyproject: str, hashes: list[str]) -> None:
    """The hashes that poetry 1.8.5, 2.1.4 and 2.5.1 record; a lock of before dependency groups stays current."""
    assert poetry.content_hashes(tomllib.loads(pyproject)) == set(hashes)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("^1.0", "^1.1"),
        lambda text: text + 'b = "*"\n',
        lambda text: text + '[tool.poetry.group.dev.dependencies]\nb = "*"\n',
        lambda text: text + '[[tool.poetry.source]]\nname = "own"\nurl = "https://own.example"\n',
        lambda text: text + '[tool.poetry.extras]\nx = ["a"]\n',
        lambda text: text + "b = 2024-01-01\n",
    ],
    ids=["version", "dependency", "group", "source", "extra", "date"],
)
def test_a_stale_lock_is_refused(change: object) -> None:
    """A change after locking is detected exactly if poetry detects it."""
    pyproject = project('a = "^1.0"')
    text = lock(pyproject, package("a", "1.0"))
    assert callable(change)
    message = refusal(text, change(pyproject))
    assert message.startswith("connectors/x/poetry.lock does not match pyproject.toml")
    assert "cd connectors/x && poetry lock" in message
    poetry.select(text, pyproject.replace('name = "x"', 'name = "y"\nversion = "2.0"'), cpython(), "x")


# --- bad locks ------------------------------------------------------------------------------------

_PYPROJECT = project('a = "*"')
_GOOD = lock(_PYPROJECT, package("a", "1.0"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "poetry.lock has no content hash: it is truncated"),
        (_GOOD[: _GOOD.index("[metadata]")], "poetry.lock has no content hash: it is truncated"),
        (_GOOD[:80], "poetry.lock is not valid TOML"),
        (f"<<<<<<< HEAD\n{_GOOD}=======\n>>>>>>> main\n", "poetry.lock holds merge conflict markers"),
        (_GOOD.replace('name = "a"\n', ""), "poetry.lock is damaged: KeyError('name')"),
        (_GOOD.replace('version = "1.0"\n', ""), "poetry.lock is damaged: KeyError('version')"),
        (_GOOD.replace('name = "a"', "name = 1"), "poetry.lock is damaged"),
        (_GOOD.replace("[[package]]", "[package]"), "poetry.lock is damaged"),
        (
            _GOOD.replace("sha256:", "md5:"),
            f"poetry.lock: a is locked with md5:{'0' * 64}, but only sha256:… is accepted",
        ),
        (
            _GOOD.replace(f', hash = "sha256:{"0" * 64}"', ""),
            "poetry.lock: a has no hash for a-1.0-py3-none-any.whl",
        ),
        (_GOOD.replace("0" * 64, "0" * 63), "poetry.lock: a is locked with sha256:000"),
        (_GOOD.replace("0" * 64, "Z" * 64), "poetry.lock: a is locked with sha256:ZZZ"),
        (lock(_PYPROJECT, package("a", "1.0", "files = []")), "poetry.lock has no hashes for a"),
        (lock(_PYPROJECT), "poetry.lock: the connector needs a, which is not in the lock"),
        (
            lock(_PYPROJECT, package("a", "1.0", dependencies=("b = '*'",))),
            "poetry.lock: a needs b, which is not in the lock",
        ),
        (
            lock(_PYPROJECT, package("a", "1.0", dependencies=("b = '>=2'",)), package("b", "1.0")),
            "poetry.lock: a needs b >=2, but the lock has 1.0",
        ),
        (
            lock(_PYPROJECT, package("a", "1.0", 'python-versions = ">=3.12"')),
            "poetry.lock: a 1.0 is for Python >=3.12, but the base image has Python 3.11.2",
        ),
        (
            lock(_PYPROJECT, package("a", "1.0", dependencies=('b = {version = "*", markers = "nonsense"}',))),
            "poetry.lock is invalid",
        ),
        (lock(_PYPROJECT, package("a", "1.0"), python="nonsense"), "poetry.lock has an invalid Python"),
        (
            lock(_PYPROJECT, package("a", "1.0"), python="^3.12"),
            "poetry.lock is for Python ^3.12, but the base image has Python 3.11.2",
        ),
        (
            lock(_PYPROJECT, package("a", "1.0", more='[package.source]\ntype = "svn"\nurl = "x"\n')),
            "poetry.lock: a comes from 'svn', which is not a supported source",
        ),
        (
            lock(_PYPROJECT, package("a", "1.0", more='[package.source]\ntype = "git"\nurl = "x"\n')),
            "poetry.lock: a comes from git at 'no commit', which is not a full commit id",
        ),
    ],
)
def test_a_lock_that_cannot_be_used_is_one_clear_line(text: str, said: str) -> None:
    """The error names the file and what is wrong with it."""
    assert refusal(text, _PYPROJECT).startswith(f"connectors/x/{said}")


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        ("[tool.poetry\n", "connectors/x/pyproject.toml is not valid TOML"),
        ("tool = 3\n", "connectors/x/p"),
        ("[tool]\npoetry = 3\n", "connectors/x/p"),
        ("project = 3\n", "connectors/x/p"),
    ],
)
def test_a_pyproject_that_cannot_be_used_is_one_clear_line(pyproject: str, said: str) -> None:
    """The error names pyproject.toml, or the lock that cannot be compared with it."""
    assert refusal(_GOOD, pyproject).startswith(said)
