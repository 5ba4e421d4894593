"""The quick push without the client: it confirms only certain results, and leaves all others to the client."""

import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry import quick_push
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.registry.shared_blobs import SharedBlobs
from airbyte_ci.testing.faults import Fault, FaultEffect, HangUp, Header, NoLength, Redirect, Refuse
from airbyte_ci.testing.images import random_image, random_index
from airbyte_ci.testing.messages import Operation
from airbyte_ci.testing.registry import RegistryServer

OTHER = Digest("a" * 64)


def asked(
    reference: str,
    digest: Digest,
    store: Store,
    options: RegistryOptions | None = None,
    environment: Mapping[str, str] | None = None,
    fixed: tuple[str, ...] = (),
    sources: tuple[Reference, ...] = (),
    refused: set[str] | None = None,
) -> bool:
    place = Reference.parse(reference)
    settings = options or RegistryOptions()
    return quick_push.point_tag(
        place, digest, store, settings, environment or {}, fixed, sources, SharedBlobs(), refused
    )


def changed(store: Store, image: Image, size: int = 1000, count: int = 1) -> Image:
    """An image with other last layers, as after a changed line of code."""
    other = random_image(store, seed=7, layers=count, size=size)
    layers = (*image.manifest.layers[:-1], *other.manifest.layers)
    return store.put_image(Manifest.make(other.config.descriptor, layers, {}), other.config)


def test_a_tag_stands_for_what_was_pushed(tmp_path: Path) -> None:
    """Yes for the digest that the tag has; no for another tag, for what the store lacks, and with --offline."""
    store = Store(tmp_path)
    image = random_image(store)
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        place = f"{server.host}/acme/x:1"
        client.push(store, image.digest, Reference.parse(place))
        assert asked(place, image.digest, store)
        assert not asked(place, OTHER, store)
        assert not asked(f"{server.host}/acme/x:2", image.digest, store)
        assert not asked(place, image.digest, store, RegistryOptions(offline=True))
    assert not asked(place, image.digest, store), "a registry that is gone says nothing"


def test_a_changed_line_is_six_requests(tmp_path: Path) -> None:
    """The tag's image is known here, so only the configuration, the code and the manifest are sent."""
    store = Store(tmp_path)
    image = random_image(store)
    new = changed(store, image)
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        place = f"{server.host}/acme/x:1"
        client.push(store, image.digest, Reference.parse(place))
        server.clear_log()
        assert asked(place, new.digest, store)
        sent = [request.operation for request in server.requests()]
        assert sorted(sent) == sorted(["head manifest", *(["start upload", "put upload"] * 2), "put manifest"])
        pulled = client.pull(Reference.parse(place), new.config.platform, Store(tmp_path / "other"))
        assert pulled.digest == new.digest


def on(store: Store, base: Image, image: Image) -> Image:
    """The layers of an image on those of its base."""
    layers = (*base.manifest.layers, *image.manifest.layers)
    return store.put_image(Manifest.make(image.config.descriptor, layers, {}), image.config)


def test_requests_of_a_new_image_and_of_its_upgrade(tmp_path: Path) -> None:
    """The tag is asked for, the base's layers are mounted, the own blobs are sent, and the tag is set: once each.

    After an upgrade, only the new base's layers and the configuration are new.
    """
    store = Store(tmp_path)
    bases = [random_image(store, seed=seed, layers=3, size=300_000) for seed in (5, 6)]
    own, upgraded = (random_image(store, seed=seed, layers=1) for seed in (7, 8))
    before = on(store, bases[0], own)
    after = store.put_image(
        Manifest.make(upgraded.config.descriptor, (*bases[1].manifest.layers, *own.manifest.layers), {}),
        upgraded.config,
    )
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        for base, image, sent in ((bases[0], before, 2), (bases[1], after, 1)):
            server.contents.put_image("base", store, base.digest, "1")
            source = Reference.parse(f"{server.host}/base").with_digest(base.digest)
            server.clear_log()
            assert asked(f"{server.host}/acme/x:1", image.digest, store, sources=(source,))
            sending = ["start upload", "put upload"] * sent
            expected = ["head manifest", *["mount blob"] * 3, *sending, "put manifest"]
            assert sorted(request.operation for request in server.requests()) == sorted(expected)
            assert client.resolve(Reference.parse(f"{server.host}/acme/x:1")).digest == image.digest


@pytest.mark.parametrize(
    "fault",
    [Fault("head manifest", Refuse(401), None), Fault("mount blob", Refuse(405), None)],
    ids=["a login", "no mounts"],
)
def test_a_host_that_needs_the_client_is_asked_once(tmp_path: Path, fault: Fault) -> None:
    """A command with many images loses its first attempt only; no tag is set."""
    store = Store(tmp_path)
    base, own = random_image(store, seed=5, layers=1), random_image(store, seed=6, layers=1)
    refused: set[str] = set()
    with RegistryServer(faults=(fault,)) as server:
        server.contents.put_image("base", store, base.digest, "1")
        source = Reference.parse(f"{server.host}/base").with_digest(base.digest)
        image = on(store, base, own)
        assert not asked(f"{server.host}/acme/x:1", image.digest, store, sources=(source,), refused=refused)
        assert refused == {server.host}
        server.clear_log()
        assert not asked(f"{server.host}/acme/y:1", image.digest, store, sources=(source,), refused=refused)
        assert not server.requests()
        assert "acme/x" not in server.contents.repositories or not server.contents.repositories["acme/x"].tags


def test_only_small_changes_are_quick(tmp_path: Path) -> None:
    """Large layers, many layers, an index, an unknown image of the tag, and a fixed tag are left to the client."""
    store = Store(tmp_path)
    image = random_image(store)
    index = random_index(store, (image.config.platform,), seed=3)
    unknown = random_image(Store(tmp_path / "others"), seed=4)
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        place = f"{server.host}/acme/x:1"
        client.push(store, image.digest, Reference.parse(place))
        client.push(Store(tmp_path / "others"), unknown.digest, Reference.parse(f"{server.host}/acme/x:2"))
        server.clear_log()
        assert not asked(place, changed(store, image, size=300_000).digest, store)
        assert not asked(place, changed(store, image, count=2).digest, store)
        assert not asked(place, Digest.of(index.raw), store)
        assert not asked(f"{server.host}/acme/x:2", image.digest, store)
        assert not asked(place, changed(store, image).digest, store, fixed=("1",))
        assert {request.operation for request in server.requests()} == {"head manifest"}
        assert client.resolve(Reference.parse(place)).digest == image.digest


EFFECTS: tuple[FaultEffect, ...] = (
    Refuse(401),
    Refuse(404, "MANIFEST_BLOB_UNKNOWN"),
    Refuse(503),
    HangUp(),
    HangUp(done=True),
    Redirect("http://registry.invalid{path}"),
    Header("Location", "http://registry.invalid/v2/acme/x/blobs/uploads/1"),
    Header("Location", "//registry.invalid/v2/acme/x/blobs/uploads/1"),
    Header("Docker-Content-Digest", str(OTHER)),
    Header("Transfer-Encoding", "chunked"),
    NoLength(),
)


@pytest.mark.parametrize("operation", ["head manifest", "mount blob", "start upload", "put upload", "put manifest"])
@pytest.mark.parametrize("effect", EFFECTS, ids=repr)
def test_a_registry_that_fails_is_left_to_the_client(tmp_path: Path, operation: Operation, effect: FaultEffect) -> None:
    """A yes is true, whatever fails; after a no, the client completes the push. It is so for a new repository too."""
    store = Store(tmp_path)
    image = random_image(store)
    base = random_image(store, seed=9, layers=1)
    new = {"acme/x": changed(store, image), "acme/y": on(store, base, random_image(store, seed=8, layers=1))}
    with RegistryServer() as server, client_of_user(RegistryOptions()) as client:
        server.contents.put_image("base", store, base.digest, "1")
        sources = (Reference.parse(f"{server.host}/base").with_digest(base.digest),)
        client.push(store, image.digest, Reference.parse(f"{server.host}/acme/x:1"))
        for repository, following in new.items():
            place = Reference.parse(f"{server.host}/{repository}:1")
            server.fail(Fault(operation, effect))
            if not asked(str(place), following.digest, store, sources=sources):
                client.push(store, following.digest, place, sources=sources)
            assert (
                client.pull(place, following.config.platform, Store(tmp_path / repository)).digest == following.digest
            )


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE"])
def test_what_only_the_client_knows_is_left_to_it(tmp_path: Path, name: str) -> None:
    """With a proxy or custom certificates, no TLS host is contacted here."""
    assert not asked("registry.invalid/acme/x:1", OTHER, Store(tmp_path), environment={name: "x"})


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
def test_anything_but_a_plain_yes_is_a_no(tmp_path: Path, answer: bytes) -> None:
    """A host that speaks another protocol, breaks off, sends too much or sends the digest elsewhere is not trusted."""
    assert not _asked_of(answer.replace(b"DIGEST", OTHER.hex.encode()), Store(tmp_path))


@pytest.mark.parametrize("spelling", ["Docker-Content-Digest: ", "docker-content-digest:", "DOCKER-CONTENT-DIGEST:\t"])
def test_names_of_headers_have_no_case(tmp_path: Path, spelling: str) -> None:
    """Header names are case-insensitive, and blanks around values are ignored (RFC 9112, 5)."""
    assert _asked_of(f"HTTP/1.1 200 OK\r\n{spelling}{OTHER}\r\n\r\n".encode(), Store(tmp_path))


def _asked_of(answer: bytes, store: Store) -> bool:
    """Whether a host that gives one answer, and reads nothing else, is believed to have OTHER."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                try:
                    connection.sendall(answer)
                except OSError:
                    return  # it heard enough

        thread = threading.Thread(target=serve)
        thread.start()
        said = asked(f"127.0.0.1:{server.getsockname()[1]}/acme/x:1", OTHER, store)
        thread.join()
    return said
