"""Package indexes: accepted files, refused files, and messages."""

import gzip
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages.lock import THE_INDEX, LockedFile
from tests.python import package_index
from tests.python.package_index import Index

BODY = b"a wheel, as far as an index knows" * 100
WHEEL = "demo-1.0-py3-none-any.whl"
SHA256 = hashlib.sha256(BODY).hexdigest()
LOCKED = LockedFile(WHEEL, SHA256)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def index() -> Iterator[Index]:
    with package_index.running(Index()) as running:
        yield running


@pytest.fixture(autouse=True)
def forget_pages() -> None:
    """Pages are remembered for the process; each test has its own index."""
    indexes._api.cache_clear()


def refusal(store: Store, asked: PackageIndex, file: LockedFile = LOCKED) -> str:
    with pytest.raises(PackageError) as caught:
        asked.fetch(store, "demo", file)
    assert not store.has(Digest(file.sha256))
    assert list((store.root / "ingest").iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_comes_into_the_store(store: Store, index: Index) -> None:
    """The file with the locked name and hash is fetched; a second time sends no request."""
    index.add("demo", WHEEL, BODY, size=len(BODY))
    asked = PackageIndex(main=index.url)
    assert store.read(asked.fetch(store, "demo", LOCKED)) == BODY
    requests = len(index.asked)
    assert asked.fetch(store, "demo", LOCKED) == Digest(SHA256)
    assert len(index.asked) == requests == 2


def test_a_download_tells_how_far_it_is(store: Store, index: Index) -> None:
    """Received and total bytes: the total as on the page, else as in the response."""
    body = bytes(range(256)) * 4096
    file = LockedFile(WHEEL, Digest.of(body).hex)
    for size in (None, len(body)):
        indexes._api.cache_clear()
        index.add("demo", WHEEL, body, **({"size": size} if size else {}))
        told: list[tuple[str, int, int]] = []
        PackageIndex(main=index.url, moved=lambda *now, told=told: told.append(now)).fetch(store, "demo", file)
        assert [done for _, done, _ in told] == sorted({done for _, done, _ in told}) and len(told) > 1
        assert told[-1] == (WHEEL, len(body), len(body))
        assert {(name, total) for name, _, total in told} == {(WHEEL, len(body))}
        store.path(Digest(file.sha256)).unlink()


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"sha256": "f" * 64}, "the index has a file with this name but another hash (ffffffffffff…, locked "),
        ({"sent": b"other bytes"}, "the index sent a file that does not match the locked hash"),
        ({"sha256": None, "sent": b"other bytes"}, "the index sent a file that does not match the locked hash"),
        ({"sent": b""}, "the index sent a file that does not match the locked hash"),
        ({"size": 5}, "the index sent a file that does not match the locked hash (expected "),
        ({"size": len(BODY) + 1}, "the index sent a file that does not match the locked hash (expected "),
        ({"statuses": [404]}, "the index answered 404 Not Found"),
        ({"statuses": [401]}, "the index answered 401 Unauthorized"),
        ({"promised": len(BODY) + 100}, "the download was interrupted (ProtocolError)"),
    ],
    ids=["hash", "bytes", "bytes-unannounced", "nothing", "shorter", "longer", "gone", "forbidden", "truncated"],
)
def test_what_is_not_the_locked_file_is_refused(store: Store, index: Index, details: dict[str, Any], said: str) -> None:
    """Other bytes, another hash, another size, half of it: nothing is stored, and one line reports it."""
    index.add("demo", WHEEL, BODY, **details)
    message = refusal(store, PackageIndex(main=index.url))
    assert message.startswith(f"cannot fetch {WHEEL}: {said}")


def test_a_body_longer_than_announced_is_cut_off(store: Store, index: Index) -> None:
    """An index that sends for ever fills no disk: soon after the announced size nothing more is read."""
    index.add("demo", WHEEL, BODY, size=10, sent=b"x" * (8 << 20))
    message = refusal(store, PackageIndex(main=index.url))
    assert "expected sha256:" in message
    assert hashlib.sha256(b"x" * (8 << 20)).hexdigest() not in message


def test_without_a_hash_on_the_page_the_bytes_decide(store: Store, index: Index) -> None:
    """PEP 503 makes hashes optional; the lock's own is checked in any case."""
    index.add("demo", WHEEL, BODY, sha256=None)
    assert PackageIndex(main=index.url).fetch(store, "demo", LOCKED) == Digest(SHA256)


def test_a_compressed_answer_is_not_unpacked(store: Store, index: Index) -> None:
    """Some servers call a .tar.gz a compressed text; the file is what the lock hashed."""
    body, told = gzip.compress(BODY, mtime=0), {"Content-Encoding": "gzip"}
    file = LockedFile("demo-1.0.tar.gz", index.add("demo", "demo-1.0.tar.gz", body, headers=told))
    assert store.read(PackageIndex(main=index.url).fetch(store, "demo", file)) == body


def test_a_failure_that_passes_is_tried_again(store: Store, index: Index) -> None:
    """One 500 or 503, for the page or the file, does not fail a build."""
    index.statuses = [503]
    index.add("demo", WHEEL, BODY, statuses=[500])
    assert PackageIndex(main=index.url).fetch(store, "demo", LOCKED) == Digest(SHA256)


def test_a_body_that_breaks_off_is_asked_for_again(store: Store, index: Index) -> None:
    """A connection that breaks half-way is retried; the partial file is not stored."""
    index.add("demo", WHEEL, BODY, cuts=2)
    assert store.read(PackageIndex(main=index.url).fetch(store, "demo", LOCKED)) == BODY
    assert index.asked.count(f"/files/demo/{WHEEL}") == 3


@pytest.mark.slow
def test_a_failure_that_stays_is_told(store: Store, index: Index) -> None:
    """After several attempts, the response is reported."""
    index.statuses = [500] * 50
    message = refusal(store, PackageIndex(main=index.url))
    assert (
        message == f"cannot query the package index {index.host} for demo: the index answered 500 Internal Server Error"
    )


@pytest.mark.slow
def test_an_index_that_is_not_there_is_told(store: Store) -> None:
    """Without a listener, one line reports it, without the login."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}/simple"
    message = refusal(store, PackageIndex(main=url))
    host = url.split("@")[1].removesuffix("/simple")
    assert (
        message == f"cannot query the package index {host} for demo: the index could not be reached (ConnectionError)"
    )


@pytest.mark.parametrize(
    ("page", "name"),
    [
        (("text/plain", b"nonsense"), "UnsupportedContentTypeError"),
        ((package_index.JSON, b"{"), ""),
        ((package_index.JSON, b"[]"), ""),
        ((package_index.JSON, b'{"meta": {"api-version": "9.0"}, "name": "demo", "files": []}'), "UnsupportedRepo"),
        (("application/vnd.pypi.simple.v1+html", b"\xff\xfe<"), ""),
        (("text/html", b"<meta name='pypi:repository-version' content='9.0'>"), "UnsupportedRepo"),
    ],
)
def test_a_page_that_is_none_is_told(store: Store, index: Index, page: tuple[str, bytes], name: str) -> None:
    """Any response of an index ends in a PackageError that does not contain the login."""
    index.page = page
    message = refusal(store, PackageIndex(main=index.url.replace("//", "//user:secret@")))
    assert name in message
    assert "secret" not in message


def test_offline_asks_nobody(store: Store, index: Index) -> None:
    """With --offline, the store's files are used, and missing ones are reported with advice."""
    index.add("demo", WHEEL, BODY)
    asked = PackageIndex(main=index.url, offline=True)
    message = refusal(store, asked)
    assert (
        message
        == f"cannot fetch {WHEEL}: it is not cached, and --offline is set → run the command once without --offline"
    )
    assert index.asked == []
    store.put(BODY)
    assert asked.fetch(store, "demo", LOCKED) == Digest(SHA256)


def test_what_no_index_has_is_told(store: Store, index: Index) -> None:
    """For a missing project or file, the message has the number of searched indexes."""
    index.add("demo", "demo-2.0-py3-none-any.whl", BODY)
    with package_index.running(Index()) as other:
        message = refusal(store, PackageIndex(main=index.url, extra=(other.url,)))
    assert message.startswith(f"cannot fetch {WHEEL}: no index has it")
    assert "indexes searched: 2" in message


def test_extra_indexes_come_after_the_main_one(store: Store, index: Index) -> None:
    """A private file comes from the extra index, also when the main one has another file of that name."""
    index.add("demo", WHEEL, b"somebody else's")
    with package_index.running(Index()) as private:
        private.add("demo", WHEEL, BODY)
        assert PackageIndex(main=index.url, extra=(private.url,)).fetch(store, "demo", LOCKED) == Digest(SHA256)
    assert index.asked == ["/simple/demo/"]


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
def test_an_index_with_a_login(store: Store, index: Index, absolute: bool) -> None:
    """The credentials of the index's URL are for its pages and for the files on its host, however they are named."""
    index.login, index.absolute = "user@acme:pass word", absolute
    index.add("demo", WHEEL, BODY)
    url = index.url.replace("//", "//user%40acme:pass%20word@")
    assert PackageIndex(main=url).fetch(store, "demo", LOCKED) == Digest(SHA256)


def test_credentials_are_never_shown(store: Store, index: Index) -> None:
    """A wrong login is reported without the login."""
    index.login = "user:right"
    message = refusal(store, PackageIndex(main=index.url.replace("//", "//user:wrong@")))
    assert message == (
        f"cannot query the package index {index.host} for demo: the index answered 401 Unauthorized → give a login for "
        f"{index.host}: in ~/.netrc, or in the index' URL"
    )


def test_a_login_is_for_its_own_host_only(store: Store, index: Index) -> None:
    """A page cannot send the credentials of its index elsewhere."""
    with package_index.running(Index(login="user:secret")) as elsewhere:
        elsewhere.add("demo", WHEEL, BODY)
        url = elsewhere.url.replace("/simple/", f"/files/demo/{WHEEL}")
        page = (
            f'{{"meta": {{"api-version": "1.0"}}, "name": "demo", "files": [{{"filename": "{WHEEL}", '
            f'"url": "{url}", "hashes": {{}}}}]}}'
        )
        index.page = (package_index.JSON, page.encode())
        message = refusal(store, PackageIndex(main=index.url.replace("//", "//user:secret@")))
    assert "401 Unauthorized" in message


def test_files_are_found_by_hash(index: Index) -> None:
    """Locks that record hashes without names get the names of just these files."""
    one = index.add("demo", WHEEL, BODY)
    index.add("demo", "demo-2.0-py3-none-any.whl", b"other")
    other = index.add("demo", "demo-1.0.tar.gz", b"source")
    found = PackageIndex(main=index.url).files("demo", frozenset({one, other}))
    assert found == ((LockedFile(WHEEL, one), THE_INDEX), (LockedFile("demo-1.0.tar.gz", other), THE_INDEX))


@pytest.mark.parametrize(
    ("environment", "main", "extra"),
    [
        ({}, None, ()),
        ({"PIP_INDEX_URL": "https://a/simple", "UV_DEFAULT_INDEX": "https://b/simple"}, "https://a/simple", ()),
        ({"UV_DEFAULT_INDEX": "own=https://b/simple?x=y"}, "https://b/simple?x=y", ()),
        ({"UV_INDEX_URL": "https://u:p@b/simple?a=b"}, "https://u:p@b/simple?a=b", ()),
        ({"PIP_INDEX_URL": "", "UV_INDEX_URL": "https://c/simple"}, "https://c/simple", ()),
        ({"PIP_EXTRA_INDEX_URL": "https://a https://b\n"}, None, ("https://a", "https://b")),
        ({"PIP_EXTRA_INDEX_URL": "/local/folder http://b"}, None, ("http://b",)),
        (
            {"UV_INDEX": "own=https://c https://d/x=y", "UV_EXTRA_INDEX_URL": "https://e"},
            None,
            ("https://c", "https://d/x=y", "https://e"),
        ),
    ],
    ids=str,
)
def test_indexes_are_those_of_pip_and_uv(environment: dict[str, str], main: str | None, extra: tuple[str, ...]) -> None:
    """Settings of pip and uv are used, including names; folders are not indexes."""
    found = PackageIndex.from_environment(environment)
    assert (found.main, found.extra) == (main, extra)
