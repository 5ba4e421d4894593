"""The lock of a connector, and the error of every unusable or missing one."""

from dataclasses import replace
from pathlib import Path

import pytest

from airbyte_ci.connectors import facts
from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.images import lockfile
from airbyte_ci.images.rules import NO_RULES, Rules
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.sources.sdist import Builder
from tests.images.lockfiles import (
    LOCK,
    OFFLINE,
    PROJECT,
    PYLOCK,
    STANDARD,
    UV,
    A,
    Files,
    connector_of,
    nothing_runs,
    selected,
)
from tests.python import sample_locks
from tests.python.interpreters import cpython

# The id of an error by words of its message; other messages explain themselves.
IDS = {
    "has no content hash": "lock-damaged",
    "is not valid TOML": "lock-damaged",
    "merge conflict markers": "lock-damaged",
    "is truncated": "lock-damaged",
    "does not match": "lock-out-of-date",
    "which is not in the lock": "lock-incomplete",
    "for this Python and platform": "lock-incomplete",
    "is for Python": "lock-for-other-python",
    "does not support Python": "lock-for-other-python",
    "it is not cached": "not-cached",
}
CONFLICT = "<<<<<<< HEAD\n{}=======\n>>>>>>> main\n"


def test_poetrys_lock_is_read_with_its_pyproject(tmp_path: Path) -> None:
    """Its packages, with any other locks next to it."""
    lock = selected(tmp_path, {"poetry.lock": LOCK, "pyproject.toml": PROJECT, "requirements.txt": "b==1.0"})
    assert (lock.kind, [package.name for package in lock.packages]) == ("poetry", ["a"])


def test_a_cycle_is_no_mistake(tmp_path: Path) -> None:
    """Packages may need each other; each is installed once."""
    lock = selected(tmp_path / "uv", {"uv.lock": UV, "pyproject.toml": STANDARD})
    assert [(package.name, package.required_by) for package in lock.packages] == [("a", ("", "b")), ("b", ("a",))]
    text = sample_locks.lock(
        PROJECT,
        sample_locks.package("a", "1.0", dependencies=("b = '*'",)),
        sample_locks.package("b", "1.0", dependencies=("a = '*'",)),
    )
    lock = selected(tmp_path / "poetry", {"poetry.lock": text, "pyproject.toml": PROJECT})
    assert [package.name for package in lock.packages] == ["a", "b"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"poetry.lock": LOCK}, "cannot build source-x: connectors/source-x has a poetry.lock but no pyproject.toml"),
        ({"poetry.lock": LOCK, "pyproject.toml": b"\xff"}, "cannot read connectors/source-x/pyproject.toml: "),
        ({"poetry.lock": b"\xff", "pyproject.toml": PROJECT}, "cannot read connectors/source-x/poetry.lock: "),
        ({"poetry.lock": "", "pyproject.toml": PROJECT}, "connectors/source-x/poetry.lock has no content hash"),
        ({"poetry.lock": LOCK[:-90], "pyproject.toml": PROJECT}, "connectors/source-x/poetry.lock is not valid TOML"),
        (
            {"poetry.lock": CONFLICT.format(LOCK), "pyproject.toml": PROJECT},
            "connectors/source-x/poetry.lock holds merge conflict markers",
        ),
        (
            {"poetry.lock": LOCK, "pyproject.toml": sample_locks.project("a = '^1'")},
            "connectors/source-x/poetry.lock does not match pyproject.toml",
        ),
        (
            {"poetry.lock": sample_locks.lock(PROJECT), "pyproject.toml": PROJECT},
            "connectors/source-x/poetry.lock: the connector needs a, which is not in the lock",
        ),
        (
            {
                "poetry.lock": sample_locks.lock(PROJECT, sample_locks.package("a", "1.0"), python="^3.12"),
                "pyproject.toml": PROJECT,
            },
            "connectors/source-x/poetry.lock is for Python ^3.12, but the base image has Python 3.11.2",
        ),
        (
            {"poetry.lock": LOCK.replace("sha256:", "md5:"), "pyproject.toml": PROJECT},
            "connectors/source-x/poetry.lock: a is locked with md5:",
        ),
        ({"uv.lock": UV}, "cannot build source-x: connectors/source-x has a uv.lock but no pyproject.toml"),
        ({"uv.lock": UV[:-60], "pyproject.toml": STANDARD}, "connectors/source-x/uv.lock is not valid TOML"),
        (
            {"uv.lock": UV[: UV.rindex("[[package]]")], "pyproject.toml": STANDARD},
            "connectors/source-x/uv.lock has no b for this Python and platform",
        ),
        (
            {"uv.lock": CONFLICT.format(UV), "pyproject.toml": STANDARD},
            "connectors/source-x/uv.lock holds merge conflict markers",
        ),
        (
            {"uv.lock": UV, "pyproject.toml": STANDARD.replace("a>=1", "a>=2")},
            "connectors/source-x/uv.lock does not match pyproject.toml",
        ),
        (
            {"uv.lock": UV.replace(">=3.10", ">=3.12"), "pyproject.toml": STANDARD},
            "connectors/source-x/uv.lock is for Python >=3.12, but the base image has Python 3.11.2",
        ),
        (
            {"uv.lock": UV.replace(f'hash = "sha256:{A}"', "size = 3"), "pyproject.toml": STANDARD},
            "connectors/source-x/uv.lock: a is locked without a sha256",
        ),
        ({"pylock.toml": PYLOCK[:-30]}, "connectors/source-x/pylock.toml is not valid TOML"),
        ({"pylock.toml": CONFLICT.format(PYLOCK)}, "connectors/source-x/pylock.toml holds merge conflict markers"),
        (
            {"pylock.toml": PYLOCK.replace(">=3.10", ">=3.12")},
            "connectors/source-x/pylock.toml does not support Python 3.11.2",
        ),
        ({"pylock.toml": PYLOCK.replace("sha256", "md5")}, "connectors/source-x/pylock.toml: a is locked without a"),
        (
            {"pylock.toml": PYLOCK, "pyproject.toml": STANDARD.replace("a>=1", "a>=2")},
            "connectors/source-x/pylock.toml does not match pyproject.toml, which requires a>=2, but the lock has 1.0",
        ),
        (
            {"pylock.toml": PYLOCK, "pyproject.toml": STANDARD.replace("a>=1", "c")},
            "connectors/source-x/pylock.toml does not match pyproject.toml, which requires c, but the lock has no",
        ),
        (
            {"pylock.toml": PYLOCK.replace("somebody", "airbyte-ci")},
            "connectors/source-x/pylock.toml is truncated",
        ),
        (
            {"requirements.txt": f"a==1.0 --hash=sha256:{A}\nb==1.0\n"},
            "cannot fetch a: it is not cached, and --offline is set",
        ),
        (
            {"requirements.txt": f"b==1.0\na==1.0 --hash=sha256:{A}\n"},
            "connectors/source-x/requirements.txt: b is not pinned to one version with hashes",
        ),
        (
            {"requirements.txt": f"<<<<<<< HEAD\na==1.0 --hash=sha256:{A}\n"},
            "connectors/source-x/requirements.txt holds merge conflict markers",
        ),
    ],
)
def test_no_usable_lock_is_one_clear_line(tmp_path: Path, files: Files, said: str) -> None:
    """The file is named, and what is wrong with it."""
    with pytest.raises((LockError, PackageError)) as caught:
        selected(tmp_path, files)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert caught.value.error_id == next((error_id for words, error_id in IDS.items() if words in said), "")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"pylock.prod.toml": PYLOCK}, "pylock"),
        ({"pylock.prod.toml": PYLOCK, "pylock.toml": PYLOCK, "pylock.edge.toml": ""}, "pylock"),
        ({"pylock.prod.toml": PYLOCK, "pylock.Dev.toml": "", "pylock.a.b.toml": ""}, "pylock"),
        ({"pylock.prod.toml": "", "poetry.lock": LOCK, "pyproject.toml": PROJECT}, "poetry"),
    ],
    ids=["alone", "with pylock.toml", "with development's", "with poetry's"],
)
def test_a_pylock_with_a_name_is_used_where_it_is_the_only_one(tmp_path: Path, files: Files, kind: str) -> None:
    """`pylock.toml` and the locks of poetry and uv come first; locks for development are never used."""
    lock = selected(tmp_path, files)
    assert (lock.kind, [package.name for package in lock.packages]) == (kind, ["a"])


def test_pylocks_with_names_are_not_chosen_from(tmp_path: Path) -> None:
    """Several are one clear line, and hashed requirements come before any of them."""
    files: Files = {"pylock.prod.toml": PYLOCK, "pylock.edge.toml": PYLOCK}
    with pytest.raises(LockError) as caught:
        selected(tmp_path, files)
    assert str(caught.value) == (
        "cannot choose a lock of source-x: connectors/source-x has pylock.edge.toml and pylock.prod.toml → rename the "
        "one that images are built from to pylock.toml"
    )
    connector = connector_of(tmp_path, {"requirements.txt": f"a==1.0 --hash=sha256:{A}\n"})
    assert (lockfile.kind(connector), facts.lock_kind(connector)) == ("requirements.txt", "requirements")


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("poetry", {"poetry.lock": LOCK, "pyproject.toml": PROJECT}),
        ("uv", {"uv.lock": UV, "pyproject.toml": STANDARD}),
        ("pylock", {"pylock.toml": PYLOCK}),
    ],
)
def test_a_group_that_does_not_exist_is_told(tmp_path: Path, kind: str, files: Files) -> None:
    """A wish of the repository that a lock cannot grant is an error, not an image without it."""
    rules = Rules(groups={"source-*": ("prod",)})
    with pytest.raises(LockError, match=r"has no group 'prod' → check the groups and extras in \.airbyte-ci\.toml"):
        selected(tmp_path, files, rules)
    selected(tmp_path, files, Rules(groups={"destination-*": ("prod",)}))


def test_a_connector_that_is_the_repository_is_named_so(tmp_path: Path) -> None:
    """Its path is a dot, which a reader would take for the end of a sentence."""
    connector = replace(connector_of(tmp_path, {}), relative=".")
    store = Store(tmp_path / "store")
    builder = Builder(store=store, index=OFFLINE, root=nothing_runs, interpreter=cpython())
    with pytest.raises(LockError, match="cannot build source-x: the repository has no lock file") as caught:
        lockfile.select(connector, cpython(), store, OFFLINE, NO_RULES, builder)
    assert caught.value.error_id == "lock-missing"
