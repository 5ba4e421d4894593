"""One look at a tag with nothing but a socket: most pushes have nothing new, and should cost nothing.

Whatever is not the plain answer "this tag stands for this digest" is left to the client, which knows logins, proxies,
repetitions and how failures are told; importing it, or http.client, takes longer than this look.
"""

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.endpoint import endpoint, may_be_plain
from airbyte_ci.oci.registry.options import RegistryOptions

_ACCEPTED = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
# How requests are sent otherwise is the client's to know.
_ELSEWISE = ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle")
_PATIENCE = 5
_LIMIT = 64 << 10


def stands_for(reference: Reference, digest: Digest, options: RegistryOptions, environment: Mapping[str, str]) -> bool:
    """Whether the tag is known to stand for the digest; False is "ask the client"."""
    place = endpoint(reference)
    plain = may_be_plain(place.host, options)
    if options.offline or (not plain and any(name.lower() in _ELSEWISE for name in environment)):
        return False
    request = (
        f"HEAD /v2/{place.repository}/manifests/{reference.tag} HTTP/1.1\r\nHost: {place.host}\r\n"
        f"User-Agent: airbyte-ci\r\nAccept: {_ACCEPTED}\r\nConnection: close\r\n\r\n"
    )
    try:
        status, headers = _exchange(place.host, request.encode("ascii"), plain=plain)
    except (OSError, ValueError):
        return False
    return status == "200" and headers.get("docker-content-digest") == str(digest)


def _exchange(host: str, request: bytes, *, plain: bool) -> tuple[str, Mapping[str, str]]:
    """The status and the headers of the answer, by lower-case names (RFC 9112); raises OSError, ValueError."""
    parts = urlsplit(f"//{host}")
    name, port = parts.hostname or "", parts.port or (80 if plain else 443)
    # Bytes: for text, Python loads the tables of international names.
    address: tuple[Any, int] = (name.encode("ascii"), port)
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        if plain:
            return _parse(_head_of(connection, request))
        import ssl

        with ssl.create_default_context().wrap_socket(connection, server_hostname=name) as secured:
            return _parse(_head_of(secured, request))


def _head_of(connection: socket.socket, request: bytes) -> bytes:
    """All bytes before the empty line that ends the headers."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(_LIMIT)
        if not piece or len(received) > _LIMIT:
            raise ValueError("no whole answer")
        received += piece
    return received.partition(b"\r\n\r\n")[0]


def _parse(head: bytes) -> tuple[str, Mapping[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise ValueError(f"not HTTP: {version}")
    fields = (line.partition(":") for line in lines)
    return rest[:3], {name.lower(): value.strip() for name, _, value in fields}
