"""Hosts and protocols of requests: mirrors, TLS, proxies, and missing hosts."""

import subprocess
from pathlib import Path

import certifi
import pytest

from airbyte_ci.errors import AirbyteCiError, BlobNotFound, RegistryError
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.credentials import Credential, Fixed
from airbyte_ci.registry.endpoint import endpoint, endpoints, is_loopback, may_be_plain
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.faults import Corrupt, Fault, Refuse
from airbyte_ci.testing.images import AMD64, random_image
from airbyte_ci.testing.registry import RegistryServer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def mirrored(registry: str, *mirrors: str) -> RegistryOptions:
    return RegistryOptions(mirrors={registry: mirrors}, attempts=2)


def test_mirror_is_asked_first(store: Store, tmp_path: Path) -> None:
    """Content of a mirror is fetched from there, and the registry is not used."""
    image = random_image(store)
    with RegistryServer() as mirror:
        mirror.contents.put_image("hub/library/python", store, image.digest, "3")
        with quick_client(mirrored("docker.io", f"{mirror.host}/hub")) as client:
            reference = Reference.parse("python:3")
            assert client.resolve(reference).digest == image.digest
            assert client.pull(reference, AMD64, Store(tmp_path / "pulled")) == image


@pytest.mark.parametrize(
    "faults",
    [
        (Fault("get manifest", Refuse(404), None), Fault("get blob", Refuse(404), None)),
        (Fault("get manifest", Refuse(500), None), Fault("get blob", Refuse(500), None)),
        (Fault("get manifest", Corrupt(), None), Fault("get blob", Corrupt(), None)),
    ],
    ids=["lacks it", "fails", "lies"],
)
def test_registry_is_asked_when_a_mirror_will_not_do(store: Store, tmp_path: Path, faults: tuple[Fault, ...]) -> None:
    """A mirror that lacks it, fails or lies is passed over."""
    image = random_image(store)
    with RegistryServer() as origin, RegistryServer(faults=faults, contents=origin.contents) as mirror:
        origin.contents.put_image("acme/x", store, image.digest, "1")
        with quick_client(mirrored(origin.host, mirror.host)) as client:
            reference = Reference.parse(f"{origin.host}/acme/x:1")
            assert client.pull(reference, AMD64, Store(tmp_path / "pulled")) == image
            assert mirror.requests("get manifest", "get blob")
            assert client.tags(reference) == ("1",)
            with pytest.raises(BlobNotFound, match=rf"{origin.host} answered 404 .*\(mirrors: .*{mirror.host}"):
                client.resolve(Reference.parse(f"{origin.host}/acme/x:2"))


def test_mirrors_get_neither_pushes_nor_the_registrys_login(store: Store) -> None:
    """A push goes to the registry; its login is not a mirror's."""
    image = random_image(store)
    with RegistryServer() as origin, RegistryServer() as mirror:
        logins = Fixed({origin.host: Credential("me", "hunter2")})
        with quick_client(mirrored(origin.host, mirror.host), logins) as client:
            client.push(store, image.digest, Reference.parse(f"{origin.host}/acme/x:1"))
            client.resolve(Reference.parse(f"{origin.host}/acme/x:1"))
        assert {request.method for request in mirror.requests()} <= {"GET", "HEAD"}
        assert not any("authorization" in request.headers for request in mirror.requests())


def test_docker_hub_has_another_host_for_its_api() -> None:
    """References name docker.io; the client connects to the registry's own host."""
    place = endpoint(Reference.parse("airbyte/source-x:1"))
    assert (place.registry, place.host, str(place)) == (
        "docker.io",
        "registry-1.docker.io",
        "docker.io/airbyte/source-x",
    )
    mirrors = endpoints(Reference.parse("airbyte/x"), mirrored("docker.io", "a.example/hub/", "b.example"))
    assert [str(item) for item in mirrors] == ["a.example/hub/airbyte/x", "b.example/airbyte/x", "docker.io/airbyte/x"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1", True),
        ("[::1]:5000", True),
        ("registry.localhost:5000", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1:5000", False),
        ("example.com:5000", False),
        ("me@localhost.example", False),
    ],
)
def test_loopback_is_only_this_machine(host: str, expected: bool) -> None:
    """Only this machine's own addresses are spoken to without TLS unasked."""
    assert is_loopback(host) is expected
    assert may_be_plain(host, RegistryOptions()) is expected
    assert may_be_plain(host, RegistryOptions(insecure=frozenset({host})))


def test_other_hosts_are_spoken_to_over_tls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is not loopback gets no plain request: through the proxy it is a CONNECT."""
    with RegistryServer() as proxy, quick_client(RegistryOptions(attempts=1)) as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(RegistryError, match="through the proxy → check HTTPS_PROXY"):
            client.resolve(Reference.parse("registry.invalid/acme/x:1"))
        assert all(request.method == "CONNECT" for request in proxy.requests())


def test_proxy_is_used_as_the_variables_say(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An insecure host is reached through HTTP_PROXY; loopback never is."""
    image = random_image(store)
    options = RegistryOptions(insecure=frozenset({"registry.invalid:5000"}))
    with RegistryServer() as proxy, RegistryServer() as local, quick_client(options) as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        for server in (proxy, local):
            server.contents.put_image("acme/x", store, image.digest, "1")
        reference = Reference.parse("registry.invalid:5000/acme/x:1")
        assert client.pull(reference, AMD64, Store(tmp_path / "pulled")) == image
        asked = len(proxy.requests())
        client.resolve(Reference.parse(f"{local.host}/acme/x:1"))
        assert (len(proxy.requests()), len(local.requests())) == (asked, 1)


def test_host_that_is_not_there_is_named(store: Store) -> None:
    """No connection is an error that names the host and the system's reason."""
    with RegistryServer() as registry:
        reference = Reference.parse(f"{registry.host}/acme/x:1")
    with (
        quick_client() as client,
        pytest.raises(RegistryError, match=rf"the connection to {reference.registry} failed \(Connection refused\)"),
    ):
        client.resolve(reference)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=test"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return both


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_own_ca_bundle_is_trusted(
    store: Store, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A registry with a company's certificate is trusted when the usual variables name it; on loopback too."""
    for other in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, str(certificate))
    image = random_image(store)
    with RegistryServer(certificate=certificate) as registry, quick_client() as client:
        target = Reference.parse(f"{registry.host}/acme/x:1")
        client.push(store, image.digest, target)
        assert client.pull(target, AMD64, Store(tmp_path / "pulled")) == image


def test_a_changed_ca_bundle_is_read_again(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections share what was read from the file, as long as the file is the same."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(Path(certifi.where()).read_bytes())
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with RegistryServer(certificate=certificate) as registry:
        place = Reference.parse(f"{registry.host}/acme/x:1")
        with quick_client() as client, pytest.raises(AirbyteCiError, match="untrusted TLS certificate"):
            client.resolve(place)
        trusted.write_bytes(certificate.read_bytes())
        with quick_client() as client, pytest.raises(BlobNotFound):
            client.resolve(place)


def test_unknown_certificate_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate is refused, also on loopback, and the error names the variable that helps."""
    for other in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    with (
        RegistryServer(certificate=certificate) as registry,
        quick_client() as client,
        pytest.raises(
            AirbyteCiError, match=r"untrusted TLS certificate \(self.signed certificate\) → set SSL_CERT_FILE"
        ),
    ):
        client.resolve(Reference.parse(f"{registry.host}/acme/x:1"))
