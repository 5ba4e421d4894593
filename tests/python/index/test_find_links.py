"""Folders and pages of files in addition to the indexes, as in pip and uv."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import index_settings, pinned
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages import requirements
from airbyte_ci.python.packages.lock import THE_INDEX, FromArchive, LockedFile, Origin
from tests.python import package_index
from tests.python.interpreters import cpython
from tests.python.package_index import Index

WHEEL = "demo_x-1.0-py3-none-any.whl"


@pytest.fixture
def index() -> Iterator[Index]:
    indexes._api.cache_clear()
    with package_index.running(Index()) as running:
        yield running


def _folder(folder: Path) -> str:
    """A folder with a wheel, other things, and another project's; the wheel's sha256."""
    folder.mkdir(parents=True)
    for name, body in ((WHEEL, b"demo"), ("demo-1.0-py3-none-any.whl", b"demo"), ("notes.txt", b"demo")):
        (folder / name).write_bytes(body)
    (folder / "demo_x-2.0.tar.gz").mkdir()
    return hashlib.sha256(b"demo").hexdigest()


@pytest.mark.parametrize(
    ("variables", "config", "found"),
    [
        ({"PIP_FIND_LINKS": "/a https://b/c"}, "", ("/a", "https://b/c")),
        ({"UV_FIND_LINKS": "/a,https://b/c"}, "", ("/a", "https://b/c")),
        ({}, "[global]\nfind-links =\n    /a\n    /b\n", ("/a", "/b")),
        ({"PIP_FIND_LINKS": "/x", "UV_FIND_LINKS": "/x"}, "[install]\nfind_links = /a\n", ("/x",)),
    ],
)
def test_settings_of_pip_and_uv(tmp_path: Path, variables: dict[str, str], config: str, found: tuple[str, ...]) -> None:
    """Variables and pip's file, each separated as its tool does it; a variable takes the place of its key."""
    (tmp_path / "pip.conf").write_text(config)
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    assert index_settings.read({**home, **variables}).find_links == found


def test_uvs_file_has_find_links(tmp_path: Path) -> None:
    """At the top and in its table for pip."""
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").write_text('find-links = ["/a"]\n[pip]\nfind-links = ["/b"]\n')
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    assert index_settings.read(environment).find_links == ("/a", "/b")


@pytest.mark.parametrize("offline", [False, True])
def test_a_file_comes_from_a_folder(tmp_path: Path, index: Index, offline: bool) -> None:
    """By name and hash, and without asking an index; it is named no place, for others have it elsewhere."""
    sha256 = _folder(tmp_path / "links")
    places = (f"file://{tmp_path}/links", str(tmp_path / "gone"))
    configured = PackageIndex(main=index.url, offline=offline, find_links=places)
    store = Store(tmp_path / "store")
    lock = pinned.lock(store, configured, cpython(), f"demo-x==1.0 --hash=sha256:{sha256}\n", "r.txt")
    (package,) = lock.packages
    assert (package.files, package.origin) == ((LockedFile(WHEEL, sha256),), THE_INDEX)
    configured.fetch(store, "demo-x", package.files[0])
    assert store.path(Digest(sha256)).read_bytes() == b"demo"
    assert index.asked == []


def test_another_file_of_the_name_is_not_taken(tmp_path: Path, index: Index) -> None:
    """A file other than the locked one is ignored, and the number of searched places is reported."""
    _folder(tmp_path / "links")
    configured = PackageIndex(main=index.url, find_links=(str(tmp_path / "links"),))
    with pytest.raises(PackageError, match=r"no index has it .*indexes searched: 1, find-links searched: 1"):
        configured.fetch(Store(tmp_path / "store"), "demo-x", LockedFile(WHEEL, "0" * 64))
    with pytest.raises(
        PackageError, match=r"no index has a file with a required hash \(indexes searched: 1, find-links searched: 1"
    ):
        text = f"demo-x==1.0 --hash=sha256:{'0' * 64}\n"
        pinned.lock(Store(tmp_path / "store"), configured, cpython(), text, "r.txt")


@pytest.fixture
def page(index: Index) -> Iterator[tuple[str, str]]:
    """A page of find-links in addition to the index, and the sha256 of the wheel that it links to."""
    with package_index.running(Index()) as flat:
        sha256 = flat.add("demo-x", WHEEL, b"demo")
        links = f'<a href="/files/demo-x/{WHEEL}#sha256={sha256}">{WHEEL}</a> <a href="/other">other</a>'
        flat.page = ("text/html", links.encode())
        yield f"{flat.url}flat.html", sha256


def test_a_file_comes_from_a_page(tmp_path: Path, index: Index, page: tuple[str, str]) -> None:
    """The page is queried for everything that no index has, by hash or by name."""
    url, sha256 = page
    configured = PackageIndex(main=index.url, find_links=(url,))
    store = Store(tmp_path / "store")
    lock = pinned.lock(store, configured, cpython(), f"demo-x==1.0 --hash=sha256:{sha256}\n", "r.txt")
    assert (lock.packages[0].files, lock.packages[0].origin) == ((LockedFile(WHEEL, sha256),), THE_INDEX)
    configured.fetch(store, "demo-x", LockedFile(WHEEL, sha256))
    assert store.path(Digest(sha256)).read_bytes() == b"demo"


def test_a_page_that_is_not_there_is_told(tmp_path: Path, index: Index) -> None:
    """By its host, as an index would be; nothing of it is silently skipped."""
    configured = PackageIndex(main=index.url, find_links=(f"{index.url}nothing/",))
    with pytest.raises(PackageError, match=r"cannot read the find-links page 127\.0\.0\.1:\d+: .* 404"):
        configured.fetch(Store(tmp_path), "demo-x", LockedFile(WHEEL, "0" * 64))


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("--find-links wheels", "wheels/{name}"),
        ("-f ./wheels/", "wheels/{name}"),
        ("--find-links={folder}/wheels", "{folder}/wheels/{name}"),
        ("--find-links file://{folder}/wheels", "{folder}/wheels/{name}"),
        ("-r more/r.txt", "wheels/{name}"),
    ],
)
def test_a_line_names_a_folder(tmp_path: Path, line: str, at: str) -> None:
    """Relative to the file that names it; the package then has its own location, without a host's path."""
    sha256 = _folder(tmp_path / "wheels")
    text = f"{line.format(folder=tmp_path)}\ndemo-x==1.0 --hash=sha256:{sha256}\n"
    nothing = PackageIndex(main=None, offline=True)
    read = {"more/r.txt": "--find-links ../wheels\n"}.__getitem__
    lock = pinned.lock(Store(tmp_path / "s"), nothing, cpython(), text, "r.txt", read=read, folder=tmp_path)
    expected: Origin = FromArchive(at.format(folder=tmp_path, name=WHEEL))
    assert [package.origin for package in lock.packages] == [expected]
    (tmp_path / "wheels" / WHEEL).unlink()
    with pytest.raises(PackageError, match="offline"):
        pinned.lock(Store(tmp_path / "s"), nothing, cpython(), text, "r.txt", read=read, folder=tmp_path)


def test_a_line_names_a_page(tmp_path: Path, index: Index, page: tuple[str, str]) -> None:
    """Then the package comes from that URL."""
    url, sha256 = page
    text = f"--find-links {url}\n--trusted-host x\ndemo-x==1.0 --hash=sha256:{sha256}\n"
    lock = pinned.lock(Store(tmp_path), PackageIndex(main=index.url), cpython(), text, "r.txt")
    place = url.replace("/simple/flat.html", f"/files/demo-x/{WHEEL}")
    assert [package.origin for package in lock.packages] == [FromArchive(place)]


def test_only_wheels_where_a_line_says_so(tmp_path: Path, index: Index) -> None:
    """--only-binary: by name, for all, and reverted; other files of the package do not matter."""
    sha256 = index.add("demo", "demo-1.0.tar.gz", b"demo")
    for option, taken in (
        ("--only-binary other", True),
        ("--only-binary :all:\n--only-binary :none:", True),
        ("--only-binary :all:", False),
        ("--only-binary=x,Demo", False),
    ):
        text = f"{option}\ndemo==1.0 --hash=sha256:{sha256}\n"
        if taken:
            assert pinned.lock(Store(tmp_path), PackageIndex(main=index.url), cpython(), text, "r.txt").packages
        else:
            with pytest.raises(PackageError, match=r"no locked file is a wheel for Python .*demo-1.0.tar.gz"):
                pinned.lock(Store(tmp_path), PackageIndex(main=index.url), cpython(), text, "r.txt")


def test_a_line_without_a_place_is_refused() -> None:
    """Like any other file without options."""
    with pytest.raises(LockError, match="'--find-links' is not supported"):
        requirements.parse("--find-links\n", "r.txt")
