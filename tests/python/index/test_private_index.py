"""Private indexes: TLS by a custom authority, a login from any source, and each for its own packages."""

import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.index import package_index as indexes
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.packages import origins
from airbyte_ci.python.packages.lock import THE_INDEX, FromIndex, LockedFile
from tests.python import package_index
from tests.python.package_index import Index

BODY = b"a private wheel"
WHEEL = "demo-1.0-py3-none-any.whl"
LOCKED = LockedFile(WHEEL, hashlib.sha256(BODY).hexdigest())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=test"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return folder / "both.pem"


@pytest.fixture
def index(certificate: Path) -> Iterator[Index]:
    """A private index over TLS that gives nothing without user:pass word."""
    indexes._api.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with package_index.running(Index(context=context, login="user:pass word")) as running:
        running.add("demo", WHEEL, BODY)
        yield running


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment without settings of this machine, for this process and as an argument."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}


def with_login(url: str, login: str) -> str:
    return url.replace("//", f"//{login}@")


def fetched(store: Store, environment: dict[str, str], origin: FromIndex | None = None) -> bool:
    index = PackageIndex.from_environment(environment)
    return index.fetch(store, "demo", LOCKED, origin or THE_INDEX) == Digest(LOCKED.sha256)


@pytest.mark.parametrize("variable", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_ones_own_authority_is_trusted(
    tmp_path: Path, index: Index, certificate: Path, alone: dict[str, str], variable: str
) -> None:
    """The variable of pip, uv or requests is enough; without it the connection is refused with the reason."""
    url = with_login(index.url, "user:pass%20word")
    with pytest.raises(PackageError, match=r"could not be reached \(SSLError\) → .*PIP_CERT") as caught:
        fetched(Store(tmp_path / "other"), {**alone, "PIP_INDEX_URL": url})
    assert "pass" not in str(caught.value)
    indexes._api.cache_clear()
    assert fetched(Store(tmp_path / "store"), {**alone, "PIP_INDEX_URL": url, variable: str(certificate)})


@pytest.mark.parametrize("where", ["uv", "poetry", "netrc", "keyring", "keyring with a user"])
def test_a_login_from_where_people_keep_it(
    tmp_path: Path, index: Index, certificate: Path, alone: dict[str, str], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables by the index' name, netrc, and the keyring command; only the index' own URL and host get it."""
    environment = {**alone, "PIP_CERT": str(certificate), "UV_DEFAULT_INDEX": f"my-own={index.url}"}
    match where:
        case "uv":
            environment |= {"UV_INDEX_MY_OWN_USERNAME": "user", "UV_INDEX_MY_OWN_PASSWORD": "pass word"}
        case "poetry":
            environment |= {"POETRY_HTTP_BASIC_MY_OWN_USERNAME": "user"}
            environment |= {"POETRY_HTTP_BASIC_MY_OWN_PASSWORD": "pass word"}
        case "netrc":
            netrc = tmp_path / "netrc"
            netrc.write_text('machine 127.0.0.1 login user password "pass word"\n')
            netrc.chmod(0o600)
            monkeypatch.setenv("NETRC", str(netrc))
        case _:
            has_user = where == "keyring with a user"
            environment["UV_KEYRING_PROVIDER"] = "subprocess"
            if has_user:
                environment["UV_DEFAULT_INDEX"] = with_login(index.url, "user")
            said = "get {url} user" if has_user else "--mode creds get {url}"
            keyring(tmp_path, said.format(url=index.url), "pass word" if has_user else "user\npass word", monkeypatch)
    assert fetched(Store(tmp_path / "store"), environment)


def keyring(folder: Path, asked: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring command that answers one question."""
    program = folder / "bin" / "keyring"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$*" = "{asked}" ] && echo "{said}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_without_a_login_the_variables_are_named(
    tmp_path: Path, index: Index, certificate: Path, alone: dict[str, str]
) -> None:
    """Which index refused, and the exact variables that would help."""
    environment = {**alone, "PIP_CERT": str(certificate), "UV_DEFAULT_INDEX": f"my-own={index.url}"}
    with pytest.raises(PackageError) as caught:
        fetched(Store(tmp_path), environment)
    assert str(caught.value) == (
        f"cannot query the package index {index.host} for demo: the index answered 401 Unauthorized → give a login for "
        f"{index.host}: UV_INDEX_MY_OWN_USERNAME and UV_INDEX_MY_OWN_PASSWORD, or in ~/.netrc, or in the index' URL"
    )


def test_a_lock_that_names_an_index_is_served_by_no_other(
    tmp_path: Path, index: Index, certificate: Path, alone: dict[str, str]
) -> None:
    """The login is found by the lock's URL; the public index is not queried for that name."""
    with package_index.running(Index()) as public:
        public.add("demo", WHEEL, BODY)
        environment = {**alone, "PIP_CERT": str(certificate), "PIP_INDEX_URL": public.url}
        own = FromIndex(origins.public(index.url).rstrip("/"), "own")
        with pytest.raises(PackageError, match="401 Unauthorized"):
            fetched(Store(tmp_path / "a"), environment, own)
        logins = {"POETRY_HTTP_BASIC_OWN_USERNAME": "user", "POETRY_HTTP_BASIC_OWN_PASSWORD": "pass word"}
        assert fetched(Store(tmp_path / "b"), {**environment, **logins}, own)
        extra = {"PIP_EXTRA_INDEX_URL": with_login(index.url, "user:pass%20word")}
        assert fetched(Store(tmp_path / "c"), {**environment, **extra}, own)
        del index.projects["demo"]
        indexes._api.cache_clear()
        with pytest.raises(PackageError, match=r"no index has it → .*the lock names https://127"):
            fetched(Store(tmp_path / "d"), {**environment, **extra}, own)
        assert public.asked == []


def test_a_locks_url_is_used_and_not_relied_on(tmp_path: Path, alone: dict[str, str]) -> None:
    """A file is fetched from the lock's URL; if it moved, its index is queried; the user's main index comes first."""
    indexes._api.cache_clear()
    with package_index.running(Index()) as index:
        index.add("demo", WHEEL, BODY)
        own = FromIndex(index.url.rstrip("/"))
        there = LockedFile(WHEEL, LOCKED.sha256, index.url.replace("/simple/", f"/files/demo/{WHEEL}"))
        PackageIndex(main=None).fetch(Store(tmp_path / "a"), "demo", there, own)
        assert index.asked == [urlsplit(there.url).path]
        gone = LockedFile(WHEEL, LOCKED.sha256, index.url.replace("/simple/", "/files/demo/other"))
        index.projects["demo"]["other"] = package_index.File(b"", statuses=[404])
        PackageIndex(main=None).fetch(Store(tmp_path / "b"), "demo", gone, own)
        index.asked.clear()
        PackageIndex(main=index.url).fetch(Store(tmp_path / "c"), "demo", gone)
        assert index.asked[0] == "/simple/demo/"
