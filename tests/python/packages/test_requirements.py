"""Hashed requirements files: what is pinned, which file serves an interpreter, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index import pinned
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages import requirements
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, FromIndex, Origin
from tests.python import package_index
from tests.python.interpreters import cpython
from tests.python.package_index import Index

A, B = "a" * 64, "b" * 64


def test_pinned_requirements_are_read() -> None:
    """Continued lines, comments, markers, extras and several hashes, as pip-compile and uv write them."""
    text = f"""
# a comment
--index-url https://own.example/simple
Some_Thing[extra]==1.0 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via something
other==2.0.post1 ; python_version < "3.12" --hash=sha256:{A}  # why
"""
    document = requirements.parse(text, "r.txt")
    one, two = document.entries
    assert document.index_url == "https://own.example/simple"
    assert (one.name, one.version, one.hashes, one.marker) == ("some-thing", "1.0", frozenset({A, B}), None)
    assert (two.name, two.version, two.hashes) == ("other", "2.0.post1", frozenset({A}))
    assert (one.extras, str(two.marker)) == (frozenset({"extra"}), 'python_version < "3.12"')


COMMIT = "c" * 40


@pytest.mark.parametrize(
    ("line", "name", "origin"),
    [
        ("-e .", None, None),
        ("-e ./lib[x]", "the-lib", FromDirectory("./lib", editable=True)),
        ("../lib ; python_version > '3'", "the-lib", FromDirectory("../lib")),
        ("../lib ; python_version < '3'", None, None),
        ("lib @ file:///srv/lib", "lib", FromDirectory("/srv/lib")),
        (
            f"lib @ git+https://u:p@host/lib.git@{COMMIT}#subdirectory=x",
            "lib",
            FromGit("https://host/lib.git", COMMIT, "x"),
        ),
        (f"lib @ git+file:///srv/lib@{COMMIT}", "lib", FromGit("file:///srv/lib", COMMIT)),
        (f"git+ssh://git@host/lib.git@{COMMIT}#egg=Lib", "lib", FromGit("ssh://git@host/lib.git", COMMIT)),
        (
            f"https://u:p@host/lib-1.0-py3-none-any.whl --hash=sha256:{A}",
            "lib",
            FromArchive("https://host/lib-1.0-py3-none-any.whl"),
        ),
        (f"lib @ https://host/lib-1.0.tar.gz#sha256={A}", "lib", FromArchive("https://host/lib-1.0.tar.gz")),
        (
            f"./wheels/lib-1.0-py3-none-any.whl --hash=sha256:{A}",
            "lib",
            FromArchive("./wheels/lib-1.0-py3-none-any.whl"),
        ),
    ],
)
def test_what_comes_from_elsewhere_has_an_origin(
    tmp_path: Path, line: str, name: str | None, origin: Origin | None
) -> None:
    """Folders, git and archives, as pip writes them; the connector itself is no package, and no login stays."""
    lock = pinned.lock(
        Store(tmp_path), PackageIndex(main=None, offline=True), cpython(), line, "r.txt", name_of=lambda _: "the-lib"
    )
    assert [(package.name, package.origin) for package in lock.packages] == ([(name, origin)] if name else [])
    assert all([file.sha256 for file in package.files] == [A] for package in lock.packages if package.files)


def test_an_index_may_name_variables() -> None:
    """As pip has it: `${NAME}` in capitals; other signs stay as they are, and nothing of it shows."""
    text = "--index-url https://${USER_1}:${PW}@own/$x/${y}/\n-r more.txt\n-f https://${PW}@links/"
    read = {"more.txt": "--extra-index-url=https://${PW}@more/"}.__getitem__
    document = requirements.parse(text, "r.txt", read, {"USER_1": "me", "PW": "secret", "y": "z"})
    assert document.index_url == "https://me:secret@own/$x/${y}/"
    assert (document.extra_index_urls, document.find_links) == (["https://secret@more/"], ["https://secret@links/"])
    assert "secret" not in repr(document)


def test_included_files_are_read(tmp_path: Path) -> None:
    """-r is relative to the including file; -c only constrains."""
    files = {"more/a.txt": "-r b.txt\na==1.0", "more/b.txt": "b==1.0", "c.txt": "c==1.0"}
    document = requirements.parse("-r more/a.txt\n-c c.txt\nd", "r.txt", files.__getitem__)
    assert [entry.name for entry in document.entries] == ["b", "a", "d"]
    assert [entry.name for entry in document.constraints] == ["c"]
    with pytest.raises(LockError, match="includes itself"):
        requirements.parse("-r r.txt", "r.txt", lambda _: "-r r.txt")


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("lib>=1,<2", ""),
        ("LIB<1 ; python_version < '3'", ""),
        ("other==9", ""),
        (f"lib==1.0 --hash=sha256:{A}", ""),
        ("lib @ https://host/lib-1.0-py3-none-any.whl", ""),
        ("lib<1", "r.txt has lib 1.0, but its constraints allow only lib<1"),
        ("lib==1.1", "r.txt has lib 1.0, but its constraints allow only lib==1.1"),
        (f"lib==1.0 --hash=sha256:{B}", "the constraints do not allow the files of lib"),
        (
            "lib @ https://u:secret@elsewhere/lib-1.0-py3-none-any.whl",
            "the constraints require lib from https://elsewhere/",
        ),
    ],
)
def test_constraints_hold(tmp_path: Path, constraint: str, said: str) -> None:
    """The versions, locations and hashes of -c apply to locked packages; -c requires nothing itself."""
    text = f"-c c.txt\nlib @ https://host/lib-1.0-py3-none-any.whl --hash=sha256:{A}\n"

    def names() -> list[str]:
        nothing = PackageIndex(main=None, offline=True)
        lock = pinned.lock(Store(tmp_path), nothing, cpython(), text, "r.txt", read=lambda _: constraint)
        return [package.name for package in lock.packages]

    if not said:
        assert names() == ["lib"]
        return
    with pytest.raises(LockError) as caught:
        names()
    assert said in caught.value.message
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("demo==1.0", "demo is not pinned to one version with hashes"),
        (f"demo --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo>=1.0 --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo==1.* --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        (f"demo==1.0,==1.1 --hash=sha256:{A}", "demo is not pinned to one version with hashes"),
        ("demo @ https://x/demo-1.0.tar.gz", "demo is not locked with exactly one sha256"),
        (f"demo @ https://x/demo --hash=sha256:{A}", "demo comes from https://x/demo, which is neither a wheel nor"),
        ("demo @ git+https://x/demo@main", "demo comes from git at 'main', which is not a full commit id"),
        ("-e git+https://user:secret@x/demo@main", "demo@main comes from git at 'main', which is not a full commit"),
        ("--pre-x https://user:secret@x/", "'--pre-x https://x/' is not supported"),
        ("--no-index", "'--no-index' is not supported: airbyte-ci asks indexes"),
        (
            "demo @ hg+https://x/demo@1",
            "demo comes from hg+https, but git is the only supported version control system",
        ),
        (f"demo==1.0 --hash=sha512:{A}", "has a hash that is not a sha256"),
        (f"demo==1.0 --hash=sha256:{A[:-1]}", "has a hash that is not a sha256"),
        (f"demo==1.0 --hash=sha256:{A.upper()}", "is not a valid requirement"),
        ("-r other.txt", "'-r other.txt' is not supported"),
        ("--no-binary :all:", "'--no-binary :all:' is not supported"),
        ("--extra-index-url https://${TOKEN}@x/simple", "uses the variable TOKEN in an index URL, but it is not set"),
        ("./demo.whl", "./demo.whl is not locked with exactly one sha256"),
        ("<<<<<<< HEAD", "holds merge conflict markers"),
    ],
)
def test_what_is_not_pinned_is_refused(tmp_path: Path, line: str, said: str) -> None:
    """One line that names the file and the requirement."""
    with pytest.raises(LockError) as caught:
        pinned.lock(Store(tmp_path), PackageIndex(main=None, offline=True), cpython(), line, "r.txt")
    assert caught.value.message.startswith("r.txt")
    assert said in caught.value.message
    assert "secret" not in str(caught.value)


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
    lock = pinned.lock(store, PackageIndex(main=index.url), cpython(), text, "r.txt")
    names = [(package.name, [file.name for file in package.files]) for package in lock.packages]
    assert names == [("demo", ["demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]), ("old", ["old-1.0.tar.gz"])]
    assert pinned.lock(store, PackageIndex(main=None, offline=True), cpython(), text, "r.txt") == lock
    other = pinned.lock(store, PackageIndex(main=index.url), cpython(machine="aarch64"), text, "r.txt")
    assert [file.name for file in other.packages[0].files] == ["demo-1.0-py3-none-any.whl"]


def test_a_hash_that_no_index_has_is_told(tmp_path: Path, index: Index) -> None:
    """The requirement is named when none of its hashes is to be had."""
    index.add("demo", "demo-1.0-py3-none-any.whl", b"other")
    with pytest.raises(PackageError, match=r"cannot fetch demo 1\.0: no index has a file with a required hash"):
        pinned.lock(Store(tmp_path), PackageIndex(main=index.url), cpython(), f"demo==1.0 --hash=sha256:{A}\n", "r.txt")


def test_a_wheel_that_vanished_is_not_an_sdist(tmp_path: Path, index: Index) -> None:
    """The sdist is taken where every locked file is still on an index; else what is missing may be a wheel for us."""
    wheel = index.add("demo", "demo-1.0-py3-none-any.whl", b"wheel")
    other = index.add("demo", "demo-1.0-cp39-cp39-win_amd64.whl", b"for windows")
    sdist = index.add("demo", "demo-1.0.tar.gz", b"sdist")
    configured = PackageIndex(main=index.url)

    def chosen(*hashes: str) -> str:
        text = "demo==1.0 " + " ".join(f"--hash=sha256:{item}" for item in hashes)
        return pinned.lock(Store(tmp_path), configured, cpython(), text, "r.txt").packages[0].files[0].name

    assert chosen(sdist, other) == "demo-1.0.tar.gz"
    del index.projects["demo"]["demo-1.0-py3-none-any.whl"]
    indexes._api.cache_clear()
    with pytest.raises(PackageError, match=rf"demo 1\.0: no index has .* {wheel[:12]}…, .*demo-1\.0\.tar\.gz must not"):
        chosen(wheel, sdist, other)


def test_an_index_that_the_file_names_is_where_its_packages_come_from(tmp_path: Path, index: Index) -> None:
    """Packages of only that index are fetched from it later too; those of a configured one need no name."""
    own = index.add("own", "own-1.0-py3-none-any.whl", b"own")
    with package_index.running(Index()) as public:
        both = public.add("both", "both-1.0-py3-none-any.whl", b"both")
        index.add("both", "both-1.0-py3-none-any.whl", b"both")
        text = f"--extra-index-url {index.url}\nown==1.0 --hash=sha256:{own}\nboth==1.0 --hash=sha256:{both}\n"
        lock = pinned.lock(Store(tmp_path), PackageIndex(main=public.url), cpython(), text, "r.txt")
    assert [package.origin for package in lock.packages] == [FromIndex(), FromIndex(index.url.rstrip("/"))]
