"""A base image of a company: released, published with a signature, verified, and built again from the registry."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.attest.conftest import copied
from tests.attest.verification.forger import Forger
from tests.e2e.conftest import Result, airbyte_ci, make_fleet

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class SignedBase:
    """A published version in an in-process registry, the folder with its key, and its address."""

    server: RegistryServer
    folder: Path
    address: Reference

    def verify(self, address: Reference, *arguments: str) -> Result:
        key = f"--key={self.folder / 'signing.pub'}"
        return airbyte_ci("verify", str(address), key, *arguments, cwd=self.folder, home=self.folder / "elsewhere")


@pytest.fixture(scope="module")
def published(small_store: Store, small_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedBase]:
    folder = tmp_path_factory.mktemp("base")
    fleet, home = make_fleet(folder / "fleet"), folder / "home"
    made = releases.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    (folder / "signing.pem").write_text(made)
    (folder / "signing.pub").write_text(releases.openssl("pkey", "-pubout", stdin=made))
    with RegistryServer() as server:
        digest = small_image.digest
        server.contents.put_image("upstream/root", small_store, digest, "1.0.0")
        document = {
            "repository": f"{server.host}/acme/java-connector-base",
            "version": "1.0.0",
            "changelog": "a note",
            "platforms": ["linux/amd64"],
            "root": {"image": f"{server.host}/upstream/root:1.0.0@{digest}"},
            "steps": [
                {"exec": ["sh", "-c", "echo hello > /greeting"]},
                {"file": {"path": "/etc/acme", "contents": "x"}},
            ],
        }
        (folder / "base.yaml").write_text(yaml.safe_dump(document))
        for arguments in (
            ("release", str(folder / "base.yaml")),
            ("publish", "acme/java-connector-base:1.0.0", f"--sign-key={folder / 'signing.pem'}"),
            ("publish", "acme/java-connector-base:1.0.0", f"--sign-key={folder / 'signing.pem'}"),
        ):
            done = airbyte_ci("base-images", *arguments, cwd=fleet, home=home)
            assert done.code == 0, done.out + done.err
        yield SignedBase(server, folder, Reference.parse(done.out.splitlines()[-1]))


def test_a_base_image_is_verified_and_built_again(published: SignedBase) -> None:
    """Index and image are signed, the lock names them, and the same inputs result in the same digest."""
    done = published.verify(published.address, "--rebuild", "--json")
    assert done.code == 0, done.out + done.err
    found = {(item["subject"], item["check"]): item["status"] for item in done.json["checks"]}
    assert set(found.values()) == {"ok"}
    assert found.keys() >= {
        *((subject, check) for subject in ("index", "linux/amd64") for check in ("signature", "plan", "provenance")),
        ("linux/amd64", "rebuild"),
    }


def test_a_changed_base_image_is_refused(published: SignedBase) -> None:
    """A changed file fails the signature and the lock; a changed lock or provenance fails, too."""
    contents = copied(published.server.contents)
    forger = Forger(contents, "acme/java-connector-base", published.address.digest or releases.NO_DIGEST)
    forger.change_file("greeting", lambda data: data + b"evil")
    with RegistryServer(contents=contents) as server:
        done = published.verify(Reference(server.host, "acme/java-connector-base", None, forger.root))
    assert done.code == 1
    assert "no valid signature: it is about" in done.out
    assert "the attached lock of the base image names other images than" in done.out

    contents = copied(published.server.contents)
    forger = Forger(contents, "acme/java-connector-base", published.address.digest or releases.NO_DIGEST)
    lock = "application/vnd.airbyte-ci.base-image-lock.v1+json"
    forger.change_documents(lock, lambda data: json.dumps({**json.loads(data), "more": 1}).encode() + b"\n")
    forger.change_documents(lock, lambda data: data.replace(b"hello", b"howdy"))
    with RegistryServer(contents=contents) as server:
        done = published.verify(Reference(server.host, "acme/java-connector-base", None, forger.root))
    assert done.code == 1
    assert "its provenance has another buildDefinition than its lock results in" in done.out
