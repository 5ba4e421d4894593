"""A signed release of a Java connector for two platforms, and registries with changed copies of it."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from airbyte_ci.testing.contents import RegistryContents
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.attest.releases import Released
from tests.e2e.command import GIT
from tests.e2e.tiny import Tiny, as_index
from tests.images import distributions
from tests.python.package_index import Index, running

JAVA = distributions.NAME


@dataclass(frozen=True)
class SignedRelease:
    """The release, its keys, the store that built it, and the contents of its registry."""

    released: Released
    key: SigningKey
    store: Store
    contents: RegistryContents = field(repr=False)
    tiny: Tiny = field(repr=False)

    @property
    def repository(self) -> str:
        return self.released.address.repository

    def at(self, host: str) -> Reference:
        """The address in another registry."""
        address = self.released.address
        return Reference(host, address.repository, None, address.digest)


def bare(store: Store, architecture: str) -> str:
    """A base image with what a Java connector's build needs and nothing that runs; its address."""
    accounts = b"airbyte:x:1000:1000::/home/airbyte:/bin/sh\n"
    entries = [directory("etc"), Entry(path="etc/passwd", content=accounts), directory("airbyte")]
    entries += [Entry(path="airbyte/base.sh", mode=0o755, content=b"#!/bin/sh\n")]
    layer = layer_of(store, entries)
    rootfs = {"type": "layers", "diff_ids": [str(layer.diff_id)]}
    config = ImageConfig.make({"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs})
    image = store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)
    return f"localhost/acme/bare-base:{architecture}@{image.digest}"


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedRelease]:
    """A release for amd64 and arm64, signed and with all documents."""
    folder = tmp_path_factory.mktemp("signed")
    store = Store(folder / "store")
    base = as_index(store, bare(store, "amd64"), bare(store, "arm64"))
    key, _ = releases.make_key()
    with running(Index()) as index, RegistryServer() as server:
        tiny = Tiny(folder / "fleet", store.root, index, base)
        tiny.folder.mkdir()
        (tiny.folder / ".airbyte-ci.toml").write_text('connectors = ["connectors/*"]\n')
        _connector(tiny, base)
        subprocess.run([*GIT, "init", "-q", "-b", "main"], cwd=tiny.folder, check=True)
        images = releases.build(
            tiny, store, "--no-verify", "--architecture=linux/amd64", "--architecture=linux/arm64", name=JAVA
        )
        subject = releases.describe(tiny, store, server.host, images, name=JAVA)
        yield SignedRelease(releases.release(subject, store, key), key, store, server.contents, tiny)


def _connector(tiny: Tiny, base: str) -> Path:
    folder = tiny.connector(JAVA)
    (folder / "src/main/java").mkdir(parents=True)
    (folder / "src/main/java/Main.java").write_text("class Main {}\n")
    (folder / "metadata.yaml").write_text(
        f"data:\n  name: Postal\n  connectorType: source\n  dockerRepository: acme/{JAVA}\n  dockerImageTag: 1.0.0\n"
        f"  tags: [language:java]\n  connectorBuildOptions: {{baseImage: '{base}'}}\n"
    )
    distributions.distribution(folder / f"build/distributions/{JAVA}.tar", distributions.files(JAVA))
    return folder


def copied(contents: RegistryContents) -> RegistryContents:
    """The same contents, to be changed."""
    made = RegistryContents()
    with contents.lock:
        made.bytes = dict(contents.bytes)
        for name, found in contents.repositories.items():
            repository = made.repository(name)
            repository.blobs = set(found.blobs)
            repository.manifests = dict(found.manifests)
            repository.tags = dict(found.tags)
    return made


def digest_of(reference: Reference) -> Digest:
    assert reference.digest
    return reference.digest
