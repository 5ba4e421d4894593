"""`trust` in the configuration: a base image that is not signed as required is not used, by any command."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.attest.signing import attest
from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.attest.statement import COSIGN_SIGN, PROVENANCE, Statement
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.e2e.tiny import Tiny

pytestmark = pytest.mark.slow
_CREATED = "2026-01-01T00:00:00Z"


@dataclass
class Trusting:
    """A connector on a base image in a registry, and a configuration that requires its signature."""

    tiny: Tiny
    server: RegistryServer
    base: Reference
    key: SigningKey
    require: str = '["signature"]'

    def write(self) -> None:
        (self.tiny.folder / ".airbyte-ci.toml").write_text(
            'connectors = ["connectors/*"]\n'
            f'[trust."{self.base.registry}/{self.base.repository}"]\nkey = "base.pub"\nrequire = {self.require}\n'
        )
        (self.tiny.folder / "base.pub").write_text(releases.public_pem(self.key))

    def attach(self, key: SigningKey, kind: str = COSIGN_SIGN, subject: Digest | None = None) -> None:
        """Attaches a signed statement to the base image."""
        assert self.base.digest
        self._put(attest.attach_signed(key, Statement(subject or self.base.digest, kind), _CREATED))

    def _put(self, attachment: Attachment) -> None:
        contents, name, digest = self.server.contents, self.base.repository, self.base.digest
        assert digest
        manifest = contents.repositories[name].manifests[digest]
        described = Descriptor(manifest.media_type, digest, len(manifest.raw))
        contents.put_blob(name, attachment.content)
        contents.put_blob(name, b"{}")
        found = attachment.manifest(described)
        contents.put_manifest(name, found.media_type, found.raw)


@pytest.fixture
def trusting(tiny: Tiny, store: Store) -> Iterator[Trusting]:
    key, _ = releases.make_key()
    with RegistryServer() as server:
        old = Reference.parse(tiny.base)
        assert old.digest
        manifest = store.manifest(old.digest)
        # Its layers are in the store; only its manifest is asked for.
        server.contents.put_manifest("acme/base", manifest.media_type, manifest.raw, "1.0.0")
        base = Reference(server.host, "acme/base", "1.0.0", old.digest)
        metadata = tiny.connector() / "metadata.yaml"
        metadata.write_text(metadata.read_text().replace(tiny.base, str(base)))
        found = Trusting(tiny, server, base, key)
        found.write()
        yield found


def _nothing(_: Trusting) -> None:
    """Nobody signed it."""


def _other_key(trusting: Trusting) -> None:
    trusting.attach(releases.make_key()[0])


def _other_image(trusting: Trusting) -> None:
    trusting.attach(trusting.key, subject=Digest.of(b"another image"))


def _no_provenance(trusting: Trusting) -> None:
    trusting.require = '["signature", "provenance"]'
    trusting.write()
    trusting.attach(trusting.key)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (_nothing, "no signature was found"),
        (_other_key, "it is signed with another key"),
        (_other_image, "another image"),
        (_no_provenance, "no provenance was found"),
    ],
)
def test_a_base_image_without_proof_is_refused(
    trusting: Trusting, prepare: Callable[[Trusting], None], said: str
) -> None:
    """The build names the image and the reason, and nothing is built."""
    prepare(trusting)
    done = trusting.tiny.build()
    assert done.code == 1
    assert f"cannot use the base image {trusting.base}" in done.json["reason"] and said in done.json["reason"]
    assert done.json["next"] == f"airbyte-ci verify {trusting.base}"


def test_a_signed_base_image_is_used(trusting: Trusting, tmp_path: Path) -> None:
    """It is verified once: later builds ask no registry. An unchanged build obeys a new rule too."""
    (trusting.tiny.folder / ".airbyte-ci.toml").write_text('connectors = ["connectors/*"]\n')
    assert trusting.tiny.build("--no-verify").code == 0
    trusting.write()
    assert trusting.tiny.build("--no-verify").code == 1, "unchanged, but no longer trusted"
    trusting.require = '["signature", "provenance"]'
    trusting.write()
    trusting.attach(trusting.key)
    trusting.attach(trusting.key, PROVENANCE)
    done = trusting.tiny.build("--no-verify")
    assert done.code == 0, done.out
    before = len(trusting.server.requests())
    assert trusting.tiny.build("--no-verify").code == 0
    assert len(trusting.server.requests()) == before
