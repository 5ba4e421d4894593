"""Hashed requirements files: what is pinned, which file serves an interpreter, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.oci.store import Store
from airbyte_ci.python import index as indexes
from airbyte_ci.python import pinned, requirements
from airbyte_ci.python.index import PackageIndex
from tests.python import package_index
from tests.python.interpreters import cpython
from tests.python.package_index import Index

A, B = "a" * 64, "b" * 64


def test_pinned_requirements_are_read() -> None:
    """Continued lines, comments, markers, extras and several hashes, as pip-compile and uv write them."""
    text = f"""
# a comment
Some_Thing[extra]==1.0 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via something
other==2.0.post1 ; python_version < "3.12" --hash=sha256:{A}  # why
"""
    one, two = requirements.parse(text, "r.txt")
    assert (one.name, one.version, one.hashes, one.marker) == ("some-thing", "1.0", frozenset({A, B}), None)
    assert (two.name, two.version, two.hashes) == ("other", "2.0.post1", frozenset({A}))
    assert str(two.marker) == 'python_version < "3.12"'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("demo==1.0", "demo is not pinned to one version with hashes"),
        (f"demo --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo>=1.0 --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo==1.* --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo==1.0,==1.1 --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo @ https://x/demo.whl --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo==1.0 --hash=sha512:{A}", "is not a requirement"),
        (f"demo==1.0 --hash=sha256:{A[:-1]}", "is not a requirement"),
        (f"demo==1.0 --hash=sha256:{A.upper()}", "is not a requirement"),
        ("-r other.txt", "'-r other.txt' is not a requirement"),
        ("--index-url https://x/simple", "is not a requirement"),
        ("-e .", "'-e .' is not a requirement"),
        ("./demo.whl", "is not a requirement"),
        ("<<<<<<< HEAD", "'<<<<<<< HEAD' is not a requirement"),
    ],
)
def test_what_is_not_pinned_is_refused(line: str, said: str) -> None:
    """The error names the file and the requirement."""
    with pytest.raises(LockError) as caught:
        requirements.parse(f"good==1.0 --hash=sha256:{A}\n{line}\n", "r.txt")
    assert caught.value.message.startswith("r.txt: ")
    assert said in caught.value.message


@pytest.fixture
def index() -> Iterator[Index]:
    indexes._api.cache_clear()
    with package_index.running(Index()) as running:
        yield running


def test_the_best_of_the_hashed_files_is_chosen(tmp_path: Path, index: Index) -> None:
    """Each requirement that applies gets one file: the best wheel, else the sdist; remembered without the index."""
    binary = index.add("demo", "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", b"binary")
    plain = index.add("demo", "demo-1.0-py3-none-any.whl", b"plain")
    source = index.add("old", "old-1.0.tar.gz", b"source")
    index.add("old", "old-1.0-py3-none-any.whl", b"not hashed")
    text = (
        f"old==1.0 --hash=sha256:{source}\n"
        f"demo==1.0 --hash=sha256:{plain} --hash=sha256:{binary}\n"
        f"windows==1.0 ; sys_platform == 'win32' --hash=sha256:{A}\n"
    )
    store = Store(tmp_path)
    lock = pinned.lock(store, PackageIndex(index.url), cpython(), text, "r.txt")
    names = [(package.name, [file.name for file in package.files]) for package in lock.packages]
    assert names == [("demo", ["demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]), ("old", ["old-1.0.tar.gz"])]
    assert pinned.lock(store, PackageIndex(None, offline=True), cpython(), text, "r.txt") == lock
    other = pinned.lock(store, PackageIndex(index.url), cpython(machine="aarch64"), text, "r.txt")
    assert [file.name for file in other.packages[0].files] == ["demo-1.0-py3-none-any.whl"]


def test_a_hash_that_no_index_has_is_told(tmp_path: Path, index: Index) -> None:
    """The requirement is named when none of its hashes is to be had."""
    index.add("demo", "demo-1.0-py3-none-any.whl", b"other")
    with pytest.raises(PackageError, match=r"fetching demo 1\.0: no index has a file with a required hash"):
        pinned.lock(Store(tmp_path), PackageIndex(index.url), cpython(), f"demo==1.0 --hash=sha256:{A}\n", "r.txt")
