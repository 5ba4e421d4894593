"""One quick request for a tag with only a socket, because most pushes have nothing new and should cost nothing.

Any answer except "this tag points to this digest" is left to the client, which knows logins, proxies, retries and error
messages. Importing it, or http.client, takes longer than this request.
"""

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST
from airbyte_ci.oci.reference import Reference
from airbyte_ci.registry.endpoint import endpoint, may_be_plain
from airbyte_ci.registry.options import RegistryOptions

_ACCEPTED = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
# The client handles requests that need these settings.
_ELSEWISE = ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle")
_PATIENCE = 5
_LIMIT = 64 << 10


def stands_for(reference: Reference, digest: Digest, options: RegistryOptions, environment: Mapping[str, str]) -> bool:
    """Returns whether the tag is known to point to the digest; False means that the client must find out."""
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
    """Returns the status and the headers by lower-case name (RFC 9112); raises OSError, ValueError."""
    parts = urlsplit(f"//{host}")
    name, port = parts.hostname or "", parts.port or (80 if plain else 443)
    # Bytes: for text, Python loads the tables of international domain names.
    address: tuple[Any, int] = (name.encode("ascii"), port)
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        if plain:
            return _parse(_head_of(connection, request))
        import ssl

        with ssl.create_default_context().wrap_socket(connection, server_hostname=name) as secured:
            return _parse(_head_of(secured, request))


def _head_of(connection: socket.socket, request: bytes) -> bytes:
    """Reads up to the empty line that ends the headers."""
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
