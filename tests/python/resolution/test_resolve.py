"""Resolution as of a moment: what uv is offered of the user's indexes, and what comes of its answer."""

import io
import os
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.errors import LockError, PackageError, UnknownMetadata
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import project, pylock, pylock_text
from airbyte_ci.python.packages.lock import FromIndex, Lock, LockedFile
from airbyte_ci.python.resolution import resolve
from airbyte_ci.python.resolution.offers import Offers
from airbyte_ci.python.sources.metadata import Metadata
from airbyte_ci.python.sources.sdist import Builder
from airbyte_ci.rootfs.tree import Tree
from tests.python import package_index, sample_wheels
from tests.python.interpreters import cpython
from tests.python.package_index import Index

pytestmark = pytest.mark.slow

MARCH, MAY = "2024-03-01T00:00:00Z", "2024-05-01T00:00:00Z"
APRIL = datetime(2024, 4, 1, tzinfo=UTC)


@pytest.fixture
def index() -> Iterator[Index]:
    indexes._api.cache_clear()
    with package_index.running(Index()) as running:
        yield running


def metadata(name: str, version: str, *lines: str) -> str:
    return "\n".join(["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}", *lines, "", ""])


def add(
    index: Index, folder: Path, name: str, version: str, *lines: str, tag: str = "py3-none-any", **details: Any
) -> None:
    """A wheel on the index; `lines` are further ones of its metadata."""
    files = {f"{name}-{version}.dist-info/METADATA": metadata(name, version, *lines)}
    path = sample_wheels.make(folder, name, version, files, filename=f"{name}-{version}-{tag}.whl")
    index.add(name, path.name, path.read_bytes(), **{"uploaded": MARCH, **details})


def add_sdist(index: Index, name: str, version: str, *lines: str) -> None:
    """An sdist with static requirements."""
    data, text = io.BytesIO(), metadata(name, version, *lines).encode()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    index.add(name, f"{name}-{version}.tar.gz", data.getvalue(), uploaded=MARCH)


def nothing_runs() -> Tree:
    raise AssertionError("the sandbox was asked")


def resolved(
    folder: Path,
    asked: PackageIndex,
    *texts: str,
    as_of: datetime | None = APRIL,
    interpreter: Interpreter | None = None,
    pins: dict[str, str] | None = None,
) -> Lock:
    builder = Builder(store=Store(folder / "store"), index=asked, root=nothing_runs, interpreter=cpython())
    offers = Offers(builder=builder, interpreter=interpreter or cpython(), as_of=as_of, pins=pins or {})
    entries = [project.of_text(text, "x") for text in texts]
    return resolve.resolve(builder.store, offers, entries, (), "resolving connectors/x")


def names(lock: Lock) -> list[str]:
    return [f"{package.name}=={package.version}" for package in lock.packages]


def test_what_came_later_is_not_there(tmp_path: Path, index: Index) -> None:
    """Each file is selected by its own upload time, to the second; dependents are recorded."""
    add(index, tmp_path, "a", "1.0", "Requires-Dist: b[x]>=1")
    add(index, tmp_path, "a", "2.0", uploaded=MAY)
    add(index, tmp_path, "b", "1.0", "Provides-Extra: x", "Requires-Dist: c ; extra == 'x'")
    add(index, tmp_path, "b", "1.1", uploaded="2024-04-01T00:00:01Z")
    add(index, tmp_path, "c", "1.0", uploaded="2024-04-01T00:00:00Z")
    lock = resolved(tmp_path, PackageIndex(main=index.url), "a")
    assert names(lock) == ["a==1.0", "b==1.0", "c==1.0"]
    assert [package.required_by for package in lock.packages] == [("",), ("a",), ("b",)]
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a", as_of=None)) == ["a==2.0"]


def test_an_index_without_upload_times_is_told(tmp_path: Path, index: Index) -> None:
    """Resolving for a past day is refused with the reason; resolving as of now works."""
    add(index, tmp_path, "a", "1.0", uploaded="")
    with pytest.raises(LockError) as caught:
        resolved(tmp_path, PackageIndex(main=index.url), "a")
    assert caught.value.message == (
        f"the package index {index.url} does not report upload times for a (PEP 700), "
        "so packages cannot be resolved as of a past date"
    )
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a", as_of=None)) == ["a==1.0"]


@pytest.mark.parametrize("given", ["ranges", "published", "whole"])
def test_metadata_however_the_index_gives_it(tmp_path: Path, index: Index, given: str) -> None:
    """By PEP 658, else from the end of the wheel, else from all of it; the result is the same, cached by hash."""
    index.ranges = given == "ranges"
    more = {"core-metadata": True} if given == "published" else {}
    add(index, tmp_path, "a", "1.0", "Requires-Dist: b", more=more)
    index.add("a", "a-1.0-py3-none-any.whl.metadata", metadata("a", "1.0", "Requires-Dist: b").encode())
    add(index, tmp_path, "b", "1.0")
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a")) == ["a==1.0", "b==1.0"]
    index.asked.clear()
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a")) == ["a==1.0", "b==1.0"]
    assert index.asked == []


def test_the_image_decides_not_the_host(tmp_path: Path, index: Index) -> None:
    """Markers, requires-python and wheel tags are those of the image's Python and platform."""
    add(index, tmp_path, "a", "1.0", "Requires-Dist: b ; platform_machine == 'aarch64'")
    add(index, tmp_path, "b", "1.0", "Requires-Python: >=3.9")
    add(index, tmp_path, "b", "2.0", "Requires-Python: >=3.12", more={"requires-python": ">=3.12"})
    add(index, tmp_path, "c", "1.0", tag="cp39-cp39-manylinux_2_17_aarch64")
    add(index, tmp_path, "c", "2.0", tag="cp39-cp39-manylinux_2_39_aarch64")
    arm = cpython("3.9.18", "aarch64")
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a", "c", interpreter=arm)) == [
        "a==1.0",
        "b==1.0",
        "c==1.0",
    ]
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a")) == ["a==1.0"]


def test_an_sdist_that_says_what_it_needs_runs_no_code(tmp_path: Path, index: Index) -> None:
    """Static metadata (PEP 643) is read; the sdist is locked, along with wheels of other platforms."""
    add_sdist(index, "a", "1.0", "Requires-Dist: b")
    add(index, tmp_path, "a", "1.0", tag="cp311-cp311-win_amd64")
    add(index, tmp_path, "b", "1.0")
    lock = resolved(tmp_path, PackageIndex(main=index.url), "a")
    assert names(lock) == ["a==1.0", "b==1.0"]
    assert [file.name for file in lock.packages[0].files] == ["a-1.0-cp311-cp311-win_amd64.whl", "a-1.0.tar.gz"]


def test_a_yanked_file_is_taken_only_by_name(tmp_path: Path, index: Index) -> None:
    """PEP 592, as pip and uv have it."""
    add(index, tmp_path, "a", "1.0")
    add(index, tmp_path, "a", "2.0", more={"yanked": "bad"})
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a")) == ["a==1.0"]
    assert names(resolved(tmp_path, PackageIndex(main=index.url), "a==2.0")) == ["a==2.0"]


def test_a_private_package_is_never_the_public_one(tmp_path: Path, index: Index) -> None:
    """Only the first index with a project is used: the others' files are ignored, and they are not queried."""
    add(index, tmp_path, "secret", "9.0")
    add(index, tmp_path, "a", "1.0")
    with package_index.running(Index(login="user:pass")) as private:
        add(private, tmp_path, "secret", "1.0")
        url = private.url.replace("//", "//user:pass@")
        lock = resolved(tmp_path, PackageIndex(main=index.url, extra=(url,)), "secret", "a")
        assert names(lock) == ["a==1.0", "secret==1.0"]
        assert lock.packages[1].origin == FromIndex(private.url.rstrip("/"))
        assert "/simple/secret/" not in index.asked
        assert "pass" not in pylock_text.render([("sys_platform == 'linux'", lock)], {})


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        (PackageIndex(main=None, extra=("https://own/s",)), ["https://own/s", "https://pypi.org/simple/"]),
        (
            PackageIndex(main="https://own/s", extra=("https://pypi.org/simple",)),
            ["https://own/s", "https://pypi.org/simple"],
        ),
        (PackageIndex(main="https://own/s", extra=("https://more/s",)), ["https://more/s", "https://own/s"]),
    ],
)
def test_the_public_index_is_asked_last(tmp_path: Path, asked: PackageIndex, order: list[str]) -> None:
    """In any of pip's or uv's settings."""
    offers = Offers(
        builder=Builder(store=Store(tmp_path), index=asked, root=nothing_runs, interpreter=cpython()),
        interpreter=cpython(),
        as_of=None,
    )
    assert [source.url for source in offers._sources("a")] == order


def test_a_pinned_index_is_the_only_one(tmp_path: Path, index: Index) -> None:
    """`source = …` of poetry and `tool.uv.sources`; an undefined index is an error."""
    add(index, tmp_path, "a", "2.0")
    with package_index.running(Index()) as own:
        add(own, tmp_path, "a", "1.0")
        asked = PackageIndex(main=index.url, named=(Source(own.url, "own", explicit=True),))
        assert names(resolved(tmp_path, asked, "a")) == ["a==2.0"]
        assert names(resolved(tmp_path, asked, "a", pins={"a": "own"})) == ["a==1.0"]
    with pytest.raises(LockError, match="a must come from the index 'other', which is not configured"):
        resolved(tmp_path, PackageIndex(main=index.url), "a", pins={"a": "other"})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("a>=2",), "only a==1.0 is available"),
        (("a", "b<1"), "all versions of a depend on b>=1"),
        (("nowhere",), "nowhere was not found"),
    ],
)
def test_no_solution_is_one_line(tmp_path: Path, index: Index, texts: tuple[str, ...], said: str) -> None:
    """uv's reason without its drawing, and what to do."""
    add(index, tmp_path, "a", "1.0", "Requires-Dist: b>=1")
    add(index, tmp_path, "b", "0.9")
    add(index, tmp_path, "b", "1.0")
    with pytest.raises(LockError) as caught:
        resolved(tmp_path, PackageIndex(main=index.url), *texts)
    message = str(caught.value)
    assert message.startswith("resolving connectors/x: the requirements conflict: ")
    assert said in message
    assert "a later date than 2024-03-31" in message
    assert "\n" not in message and "127.0.0.1" not in message


def test_an_index_that_fails_is_told_as_it_is(tmp_path: Path, index: Index) -> None:
    """Not as uv sees it: what went wrong behind the loopback is the message."""
    index.login = "user:pass"
    with pytest.raises(
        PackageError, match=f"the package index {index.host} for a: the index answered 401 Unauthorized"
    ):
        resolved(tmp_path, PackageIndex(main=index.url), "a")


def test_the_text_is_a_lock(tmp_path: Path, index: Index) -> None:
    """Written for two platforms, each parses its resolution by hash; common packages appear once."""
    add(index, tmp_path, "a", "1.0", "Requires-Dist: b ; platform_machine == 'aarch64'")
    add(index, tmp_path, "b", "1.0")
    interpreters = [cpython(), cpython(machine="aarch64")]
    found = [
        (pylock_text.marker(item), resolved(tmp_path, PackageIndex(main=index.url), "a", interpreter=item))
        for item in interpreters
    ]
    text = pylock_text.render(found, {"requires": ["a"], "inputs": {"setup.py": "0"}})
    for interpreter, (_, lock) in zip(interpreters, found, strict=True):
        read = pylock.select(text, interpreter, "pylock.toml")
        assert read.packages == lock.packages
    document = tomllib.loads(text)
    assert [(package["name"], "marker" in package) for package in document["packages"]] == [("a", False), ("b", True)]
    assert document["tool"]["airbyte-ci"]["inputs"] == {"setup.py": "0"}
    with pytest.raises(LockError, match=r"does not support Python 3\.12\.1"):
        pylock.select(text, cpython("3.12.1"), "pylock.toml")


def test_the_answer_is_uvs_own(tmp_path: Path) -> None:
    """If uv may query the public index itself, as of the same moment, it gives the same result."""
    indexes._api.cache_clear()
    texts = ["requests[socks]>=2.28", "pandas>=2,<3", "pydantic<2", "black"]
    lock = resolved(tmp_path, PackageIndex(main=None), *texts)
    finished = subprocess.run(
        [
            *(
                resolve._uv(),
                "pip",
                "compile",
                "-",
                "--python-version=3.11.2",
                "--python-platform=x86_64-manylinux_2_36",
            ),
            *("--exclude-newer=2024-04-01T00:00:00Z", "--no-config", "--no-header", "--no-annotate", "--quiet"),
        ],
        input="\n".join(texts),
        env={key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert names(lock) == [re.sub(r"\[.*\]", "", line) for line in finished.stdout.splitlines()]


@pytest.mark.parametrize("asked", ["a", "a<=2"])
def test_a_candidate_that_cannot_be_used_is_skipped_and_remembered(
    tmp_path: Path, index: Index, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An sdist whose back end fails is passed over for an older version, and its back end is not run again."""
    add(index, tmp_path, "a", "1.0")
    add_sdist(index, "a", "2.0")
    runs = []

    def fails(builder: Builder, file: LockedFile) -> Metadata:
        runs.append(file.name)
        raise UnknownMetadata(f"cannot read the requirements of {file.name}")

    monkeypatch.setattr("airbyte_ci.python.sources.metadata.of_sdist", fails)
    for _ in range(2):
        assert [item.version for item in resolved(tmp_path, PackageIndex(main=index.url), asked).packages] == ["1.0"]
    assert runs == ["a-2.0.tar.gz"]
    with pytest.raises(LockError, match=r"a 2.0 was skipped: cannot read the requirements of a-2.0.tar.gz"):
        resolved(tmp_path, PackageIndex(main=index.url), "a==2.0")
