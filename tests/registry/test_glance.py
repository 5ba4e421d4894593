"""The quick request for a tag without the client: it confirms only certain results."""

import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry import glance
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.images import random_image
from airbyte_ci.testing.registry import RegistryServer

OTHER = Digest("a" * 64)


def asked(
    reference: str, digest: Digest, options: RegistryOptions | None = None, environment: Mapping[str, str] | None = None
) -> bool:
    return glance.stands_for(Reference.parse(reference), digest, options or RegistryOptions(), environment or {})


def test_a_tag_stands_for_what_was_pushed(tmp_path: Path) -> None:
    """Yes for the digest that the tag has; no for another digest, another tag, and with --offline."""
    store = Store(tmp_path)
    image = random_image(store)
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        place = f"{server.host}/acme/x:1"
        client.push(store, image.digest, Reference.parse(place))
        assert asked(place, image.digest)
        assert not asked(place, OTHER)
        assert not asked(f"{server.host}/acme/x:2", image.digest)
        assert not asked(place, image.digest, RegistryOptions(offline=True))
    assert not asked(place, image.digest), "a registry that is gone says nothing"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE"])
def test_what_only_the_client_knows_is_left_to_it(name: str) -> None:
    """With a proxy or custom certificates, no TLS host is contacted here."""
    assert not asked("registry.invalid/acme/x:1", OTHER, environment={name: "x"})


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:DIGEST",
        b"HTTP/1.1 200 OK\r\nX-Digest: sha256:DIGEST\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nDocker-Content-Digest: sha256:DIGEST\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nDocker-Content-Digest: sha256:DIGEST\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 300_000,
        b"\xff\xfe\r\n\r\n",
    ],
)
def test_anything_but_a_plain_yes_is_a_no(answer: bytes) -> None:
    """A host that speaks another protocol, breaks off, sends too much or sends the digest elsewhere is not trusted."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                try:
                    connection.sendall(answer.replace(b"DIGEST", OTHER.hex.encode()))
                except OSError:
                    return  # it heard enough

        thread = threading.Thread(target=serve)
        thread.start()
        said = asked(f"127.0.0.1:{server.getsockname()[1]}/acme/x:1", OTHER)
        thread.join()
        assert not said


@pytest.mark.parametrize("spelling", ["Docker-Content-Digest: ", "docker-content-digest:", "DOCKER-CONTENT-DIGEST:\t"])
def test_names_of_headers_have_no_case(spelling: str) -> None:
    """Header names are case-insensitive, and blanks around values are ignored (RFC 9112, 5)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(f"HTTP/1.1 200 OK\r\n{spelling}{OTHER}\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        said = asked(f"127.0.0.1:{server.getsockname()[1]}/acme/x:1", OTHER)
        thread.join()
        assert said
