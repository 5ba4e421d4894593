"""Connectors without a lock: resolved as of a day, or locked; never guessed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError, UsageError
from airbyte_ci.images import locking, unlocked
from airbyte_ci.images.locking import NO_UPGRADE, Upgrade
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromIndex
from airbyte_ci.python.sources.sdist import Builder
from tests.images.lockfiles import LOCK, PROJECT, PYLOCK, STANDARD, A, Files, connector_of, nothing_runs, selected
from tests.python import package_index, sample_locks, sample_wheels
from tests.python.interpreters import cpython
from tests.python.package_index import Index

pytestmark = pytest.mark.slow

APRIL = Rules("2024-04-01", now=datetime(2024, 6, 1, tzinfo=UTC))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with a 1.0 of March, which needs b, and a 2.0 of May."""
    indexes._api.cache_clear()
    with package_index.running(Index()) as running:
        for name, version, needs, day in (
            ("a", "1.0", "b", "03-01"),
            ("a", "2.0", "", "05-01"),
            ("b", "1.0", "", "03-01"),
        ):
            text = sample_wheels.METADATA.format(name=name, version=version) + (
                f"Requires-Dist: {needs}\n" if needs else ""
            )
            path = sample_wheels.make(tmp_path, name, version, {f"{name}-{version}.dist-info/METADATA": text})
            running.add(name, path.name, path.read_bytes(), uploaded=f"2024-{day}T00:00:00Z")
        yield running


@pytest.mark.parametrize(
    "files",
    [{}, {"setup.py": "", "requirements.txt": "-e ."}, {"pyproject.toml": STANDARD}, {"requirements.txt": "a"}],
    ids=["nothing", "setup.py", "pyproject.toml", "requirements.txt"],
)
def test_without_a_day_nothing_is_guessed(tmp_path: Path, files: Files) -> None:
    """No lock and no day: the connector is named, and the exact commands that help."""
    with pytest.raises(LockError) as caught:
        selected(tmp_path, files)
    assert str(caught.value) == (
        "cannot build source-x: connectors/source-x has no lock file → create one: "
        "`airbyte-ci connectors --name=source-x lock`, or set a date: --resolve-as-of=2024-04-01, or "
        "resolve-as-of in .airbyte-ci.toml"
    )


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": STANDARD},
        {"pyproject.toml": sample_locks.project("a = '>=1'")},
        {"requirements.txt": "-r more.txt", "more.txt": "a>=1  # why"},
        {"pyproject.toml": STANDARD + '[tool.uv]\nexclude-newer = "2024-04-01"\n'},
    ],
    ids=["standard", "poetry", "requirements", "uv's own day"],
)
def test_what_is_not_locked_is_resolved_as_of_a_day(tmp_path: Path, index: Index, files: Files) -> None:
    """The day is the command's, the repository's or uv's own; a second time no index is queried."""
    uvs = "exclude-newer" in str(files)
    rules = Rules(now=APRIL.now) if uvs else APRIL
    lock = selected(tmp_path, files, rules, PackageIndex(main=index.url))
    assert [(item.name, item.version, item.required_by) for item in lock.packages] == [
        ("a", "1.0", ("",)),
        ("b", "1.0", ("a",)),
    ]
    assert lock.kind == "resolution as of 2024-04-01"
    asked = len(index.asked)
    assert selected(tmp_path, files, rules, PackageIndex(main=index.url)) == lock
    assert len(index.asked) == asked


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfa>=1\n",
        "\ufeffa>=1  # für\r\n".encode("utf-16-le"),
        "\ufeffa>=1\n".encode("utf-16-be"),
        "\ufeffa>=1\n".encode("utf-32-le"),
        "# -*- coding: latin-1 -*-\n# für\na>=1\n".encode("latin-1"),
        b"# only a comment\n-r more.txt\n",
    ],
    ids=["UTF-8", "UTF-16 LE", "UTF-16 BE", "UTF-32 LE", "coding line", "included"],
)
def test_requirements_are_decoded_as_pip_does(tmp_path: Path, index: Index, data: bytes) -> None:
    """A byte order mark or a coding line names the encoding, also of a file that another one includes."""
    files: Files = {"requirements.txt": data, "more.txt": "\ufeffa>=1\n".encode("utf-16-le")}
    lock = selected(tmp_path, files, APRIL, PackageIndex(main=index.url))
    assert [item.name for item in lock.packages] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\nname = "source-x"\nversion = "1"\ndependencies = []\n'),
        ("pyproject.toml", '[project]\nname = "source-x"\nversion = "1"\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.9"\n'),
        ("requirements.txt", "# nothing\n-e .\n"),
        ("requirements.txt", ""),
    ],
    ids=["empty list", "no list", "poetry's Python alone", "itself", "empty file"],
)
def test_a_connector_that_requires_nothing_has_no_packages(tmp_path: Path, index: Index, name: str, text: str) -> None:
    """No requirement is an answer: with a day and in a lock, the selection is empty."""
    assert selected(tmp_path, {name: text}, APRIL, PackageIndex(main=index.url)).packages == ()
    assert lock_edit(tmp_path, index, {name: text})(APRIL)
    assert selected(tmp_path, {}).packages == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "'yesterday' is not a valid date"),
        ("2024-13-01", "'2024-13-01' is not a valid date"),
        ("2024-06-01", "--resolve-as-of 2024-06-01 is in the future"),
        ("2024-05-01T00:00:00", "'2024-05-01T00:00:00' has no time zone"),
    ],
)
def test_a_day_that_is_none_is_told(text: str, said: str) -> None:
    """Only what is over is the same tomorrow; a day means the same on every machine."""
    with pytest.raises(UsageError, match=said):
        unlocked.moment(text, APRIL.now)
    assert unlocked.moment("2024-05-31", APRIL.now) == APRIL.now
    assert unlocked.moment("2024-05-01T02:00:00+02:00", APRIL.now) == datetime(2024, 5, 1, tzinfo=UTC)


def test_now_is_for_locks_only(tmp_path: Path, index: Index) -> None:
    """A build as of now would differ each time."""
    with pytest.raises(LockError, match=r"resolves to different packages on every run → .* lock"):
        selected(tmp_path, {"pyproject.toml": STANDARD}, Rules("now"), PackageIndex(main=index.url))


def test_folders_and_archives_bring_what_they_need(tmp_path: Path, index: Index) -> None:
    """A local package of the repository and a wheel in it are packages; their requirements are resolved."""
    (tmp_path / ".git").mkdir()
    lib = tmp_path / "connectors" / "lib"
    lib.mkdir(parents=True)
    (lib / "pyproject.toml").write_text(
        '[project]\nname = "a"\nversion = "7"\ndependencies = ["c"]\n'
        '[tool.uv.sources]\nc = { path = "wheels/c-3-py3-none-any.whl" }\n'
    )
    (lib / "wheels").mkdir()
    sample_wheels.make(
        lib / "wheels",
        "c",
        "3",
        {"c-3.dist-info/METADATA": sample_wheels.METADATA.format(name="c", version="3") + "Requires-Dist: b\n"},
    )
    lock = selected(tmp_path, {"requirements.txt": "-e ../lib\n-e .\n"}, APRIL, PackageIndex(main=index.url))
    assert [(item.name, item.version, item.required_by, item.origin) for item in lock.packages] == [
        ("a", "7", ("",), FromDirectory("../lib", editable=True)),
        ("b", "1.0", ("c",), FromIndex()),
        ("c", "3", ("a",), FromArchive("../lib/wheels/c-3-py3-none-any.whl")),
    ]
    assert "/simple/a/" not in index.asked


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ('["prod"]', ["a", "b", "c"]),
        ('"all"', ["a", "b", "c"]),
        ('["dev"]', ["a", "b"]),
        ("[]", ["a", "b"]),
    ],
)
def test_default_groups_of_uv_count_without_a_lock(
    tmp_path: Path, index: Index, groups: str, expected: list[str]
) -> None:
    """As `uv sync --no-dev` has them: those of the connector, and not of a folder that it needs."""
    table = f'[dependency-groups]\nprod = ["c"]\ndev = ["nowhere"]\n[tool.uv]\ndefault-groups = {groups}\n'
    lib = tmp_path / "connectors" / "lib"
    lib.mkdir(parents=True)
    other = '[project]\nname = "c"\nversion = "1"\n[dependency-groups]\nprod = ["nowhere"]\n'
    (lib / "pyproject.toml").write_text(f'{other}[tool.uv]\ndefault-groups = ["prod"]\n')
    (tmp_path / ".git").mkdir()
    text = f'{STANDARD}{table}[tool.uv.sources]\nc = {{ path = "../lib" }}\n'
    lock = selected(tmp_path, {"pyproject.toml": text}, APRIL, PackageIndex(main=index.url))
    assert [package.name for package in lock.packages] == expected


def test_an_index_of_the_project_is_where_its_packages_come_from(tmp_path: Path, index: Index) -> None:
    """The index name of pyproject.toml becomes a URL in the lock, because later fetches have no pyproject.toml."""
    text = f'{STANDARD}[[tool.uv.index]]\nname = "own"\nurl = "{index.url}"\ndefault = true\n'
    lock = selected(tmp_path, {"pyproject.toml": text}, APRIL, PackageIndex(main=None))
    assert [item.origin for item in lock.packages] == [FromIndex(index.url.rstrip("/"))] * 2


def lock_edit(folder: Path, index: Index, files: Files) -> Callable[..., str]:
    """The output of `lock` for its edit, which is applied."""
    locking.read(connector_of(folder, files))
    platforms = [locking.on(cpython(), Platform("linux", name)) for name in ("amd64", "arm64")]

    def write(rules: Rules, upgrade: Upgrade = NO_UPGRADE) -> str:
        builder = Builder(
            store=Store(folder / "store"), index=PackageIndex(main=index.url), root=nothing_runs, interpreter=cpython()
        )
        connector = connector_of(folder, {})
        edit = locking.plan(connector, locking.read(connector), platforms, rules, builder, upgrade)
        edit.apply(folder)
        return edit.diff()

    return write


def test_a_lock_is_written_and_then_counts(tmp_path: Path, index: Index) -> None:
    """For both platforms; unchanged requirements keep it; builds read it until the requirements change."""
    write = lock_edit(tmp_path, index, {"pyproject.toml": STANDARD})
    assert "new file" in write(APRIL)
    assert write(APRIL) == ""
    lock = selected(tmp_path, {})
    assert (lock.kind, [f"{item.name}=={item.version}" for item in lock.packages]) == ("pylock", ["a==1.0", "b==1.0"])
    later = STANDARD.replace('version = "1.0"', 'version = "1.1"')
    assert selected(tmp_path, {"pyproject.toml": later}) == lock
    with pytest.raises(LockError) as caught:
        selected(tmp_path, {"pyproject.toml": STANDARD.replace("a>=1", "a>=2")})
    assert str(caught.value) == (
        "connectors/source-x/pylock.toml does not match the current requirements of connectors/source-x "
        "(a>=1 and 1 more) → "
        "airbyte-ci connectors --name=source-x lock"
    )
    assert '-version = "1.0"\n+version = "2.0"' in write(Rules(now=APRIL.now))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"poetry.lock": LOCK, "pyproject.toml": PROJECT},
            "builds use connectors/source-x/poetry.lock → `poetry lock`",
        ),
        ({"requirements.txt": f"a==1.0 --hash=sha256:{A}"}, "builds use connectors/source-x/requirements.txt"),
        ({"pylock.toml": PYLOCK}, "pylock.toml was created by another tool → update it with that tool"),
        ({"pylock.prod.toml": PYLOCK}, "pylock.prod.toml was created by another tool → update it with that tool"),
        ({"pylock.toml": "<<<<<<<"}, "pylock.toml was created by another tool"),
    ],
)
def test_another_tools_lock_is_left_alone(tmp_path: Path, index: Index, files: Files, said: str) -> None:
    """`lock` writes neither next to a used lock, nor over one that it did not write."""
    with pytest.raises(LockError) as caught:
        lock_edit(tmp_path, index, files)
    assert said in str(caught.value)
