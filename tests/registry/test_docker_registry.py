"""The client against Docker's own registry, with skopeo as the second opinion."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.errors import BlobNotFound, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CONFIG, MANIFEST, Platform, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.credentials import Credential, Fixed
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.docker_registry import docker_registry
from airbyte_ci.testing.images import AMD64, random_image, random_index

ARM64 = Platform("linux", "arm64")
# What `htpasswd -nbB me hunter2` prints.
HTPASSWD = "me:$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def skopeo(*arguments: str) -> str:
    command = ["skopeo", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_skopeo_reads_what_we_push(host: str, store: Store, tmp_path: Path) -> None:
    """Skopeo copies a pushed image, checking every digest on its way, and finds the same manifest."""
    image = random_image(store, layers=4, size=300_000)
    target = Reference.parse(f"{host}/acme/skopeo:1")
    with quick_client() as client:
        client.push(store, image.digest, target)
    skopeo("copy", "--src-tls-verify=false", f"docker://{target}", f"oci:{tmp_path / 'layout'}:x")
    assert (tmp_path / "layout" / "blobs" / "sha256" / image.digest.hex).read_bytes() == image.manifest.raw


def test_we_read_what_skopeo_pushes(host: str, store: Store, tmp_path: Path) -> None:
    """An image that skopeo pushed, as Docker's schema 2, comes with the digest that skopeo sees."""
    image = random_image(store)
    store.tag("x", image.manifest.descriptor)
    target = Reference.parse(f"{host}/acme/from-skopeo:1")
    skopeo("copy", "--dest-tls-verify=false", "--format=v2s2", f"oci:{store.root}:x", f"docker://{target}")
    seen = skopeo("inspect", "--tls-verify=false", "--format={{.Digest}}", f"docker://{target}").strip()
    with quick_client() as client:
        pulled = client.pull(target, AMD64, Store(tmp_path / "pulled"))
        assert client.tags(target) == ("1",)
    assert str(pulled.digest) == seen
    assert pulled.config.diff_ids == image.config.diff_ids


def test_index_and_mount(host: str, store: Store, tmp_path: Path) -> None:
    """An index goes up whole; its images' layers are mounted into another repository without being here."""
    index = random_index(store, (AMD64, ARM64))
    first, second = Reference.parse(f"{host}/acme/index:1"), Reference.parse(f"{host}/acme/mounted:1")
    with quick_client() as client:
        client.push(store, index.digest, first)
        bare = Store(tmp_path / "bare")
        image = client.image(first, ARM64, bare)
        client.push(bare, image.digest, second, sources=[first])
        assert client.pull(second, ARM64, Store(tmp_path / "pulled")) == image
        assert not any(bare.has(layer.digest) for layer in image.manifest.layers)


def test_stream_between_registries(host: str, store: Store, tmp_path: Path) -> None:
    """Layers go from one registry to another without touching the disk here."""
    image = random_image(store, layers=3, size=2_000_000)
    source = Reference.parse(f"{host}/acme/source:1")
    with docker_registry(tmp_path / "other") as other, quick_client() as client:
        client.push(store, image.digest, source)
        bare = Store(tmp_path / "bare")
        client.image(source, AMD64, bare)
        target = Reference.parse(f"{other}/acme/target:1")
        client.push(bare, image.digest, target, sources=[source])
        assert client.pull(target, AMD64, Store(tmp_path / "pulled")) == image


def test_upload_in_chunks(host: str, store: Store, tmp_path: Path) -> None:
    """Chunks arrive as one blob."""
    image = random_image(store, layers=1, size=9_000_000)
    target = Reference.parse(f"{host}/acme/chunks:1")
    with quick_client() as client:
        client._uploader.chunks[host] = 4 << 20
        client.push(store, image.digest, target)
        assert client.pull(target, AMD64, Store(tmp_path / "pulled")) == image


def test_referrers_without_the_api(host: str, store: Store) -> None:
    """This registry does not support referrers, so they are found by the fallback tag."""
    image = random_image(store)
    target = Reference.parse(f"{host}/acme/signed:1")
    config = {"mediaType": CONFIG, "digest": str(store.put(b"{}")), "size": 2}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "test/sig", "config": config}
    raw = canonical_json({**document, "layers": [], "subject": image.manifest.descriptor.to_json()})
    with quick_client() as client:
        client.push(store, image.digest, target)
        client.push(store, store.put(raw), target.with_digest(Digest.of(raw)), tags=["sig"])
        found = client.referrers(target.with_digest(image.digest))
        assert [item.digest for item in found] == [Digest.of(raw)]
        assert set(client.tags(target)) == {"1", "sig", f"sha256-{image.digest.hex}"}


def test_what_is_not_there(host: str) -> None:
    """A missing tag is reported with the registry's message."""
    with quick_client() as client, pytest.raises(BlobNotFound, match=r"404 MANIFEST_UNKNOWN \(manifest unknown\)"):
        client.resolve(Reference.parse(f"{host}/acme/nothing:1"))


def test_basic_authentication(store: Store, tmp_path: Path) -> None:
    """A login allows a push; without one, the error advises to log in."""
    image = random_image(store)
    with docker_registry(tmp_path / "registry", htpasswd=HTPASSWD) as address:
        target = Reference.parse(f"{address}/acme/x:1")
        with quick_client(credentials=Fixed({address: Credential("me", "hunter2")})) as client:
            client.push(store, image.digest, target)
        with quick_client() as client, pytest.raises(RegistryError, match=f"docker login {address}"):
            client.push(store, image.digest, target)


PUSH = """
import sys
from pathlib import Path
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.clients import quick_client
with quick_client() as client:
    print(client.push(Store(Path(sys.argv[1])), Digest.parse(sys.argv[2]), Reference.parse(sys.argv[3])).digest)
"""


def test_processes_that_push_the_same(host: str, store: Store) -> None:
    """Processes that push one image at one moment all succeed."""
    image = random_image(store, layers=6, size=200_000)
    command = [sys.executable, "-c", PUSH, str(store.root), str(image.digest), f"{host}/acme/race:1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    answers = [process.communicate()[0].strip() for process in running]
    assert answers == [str(image.digest)] * 3


MEASURED = """
import sys
from pathlib import Path
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.images import AMD64

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

folder, host = Path(sys.argv[1]), sys.argv[2]
before = peak()
with quick_client() as client:
    source = Reference.parse(f"{host}/acme/big:1")
    digest = Store(folder / "store").resolve("big").digest
    client.push(Store(folder / "store"), digest, source)
    client.pull(source, AMD64, Store(folder / "pulled"))
    client.image(source, AMD64, Store(folder / "bare"))
    # Under another name it is another registry, from which nothing can be mounted.
    other = Reference.parse(f"{host.replace('127.0.0.1', 'localhost')}/acme/streamed:1")
    client.push(Store(folder / "bare"), digest, other, sources=[source])
print(peak() - before)
"""


def test_memory_does_not_grow_with_blobs(host: str, store: Store, tmp_path: Path) -> None:
    """Pushing, pulling and streaming a blob of 120 MB take less than 80 MB more than doing nothing."""
    image = random_image(store, layers=1, size=120_000_000)
    store.tag("big", image.manifest.descriptor)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MEASURED, str(tmp_path), host]
    grown = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    assert int(grown) < 80
