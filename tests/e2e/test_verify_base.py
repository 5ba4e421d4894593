"""A base image of a company: released, published with a signature, verified, and built again from the registry."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from airbyte_ci.attest.signing.bundle import BUNDLE
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.attest.conftest import copied
from tests.attest.sbom.sample_images import SITE, stanza
from tests.attest.verification.forger import Document, Forger
from tests.e2e.conftest import Result, airbyte_ci, make_fleet

pytestmark = pytest.mark.slow
LOCK = "application/vnd.airbyte-ci.base-image-lock.v1+json"


def _is_bill(document: Document) -> bool:
    return bool(document["artifactType"] == "application/vnd.cyclonedx+json")


def _origin(component: Document) -> str:
    return next(str(item["value"]) for item in component["properties"] if item["name"] == "airbyte-ci:origin")


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
    signed = (f"--sign-key={folder / 'signing.pem'}", "--legacy-signatures")
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
                {"file": {"path": "/var/lib/dpkg/status", "contents": stanza("zlib1g", "1:1.2.13", source="zlib")}},
                {"file": {"path": f"/{SITE}/own-1.0.dist-info/METADATA", "contents": "Name: own\nVersion: 1.0\n"}},
            ],
        }
        (folder / "base.yaml").write_text(yaml.safe_dump(document))
        for arguments in (
            ("release", str(folder / "base.yaml")),
            ("publish", "acme/java-connector-base:1.0.0"),
            ("publish", "acme/java-connector-base:1.0.0", *signed),
            ("publish", "acme/java-connector-base:1.0.0", *signed),
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
        *(("linux/amd64", check) for check in ("sbom", "rebuild")),
    }


def test_a_base_image_has_the_documents_of_a_connector(published: SignedBase) -> None:
    """Plain ones for scanners, signed ones, cosign 2's tags; a later signature is added, and nothing is doubled."""
    contents = published.server.contents
    forger = Forger(contents, "acme/java-connector-base", published.address.digest or releases.NO_DIGEST)
    found = [document["artifactType"] for _, document in forger.referrers(forger.image())]
    plain = ["application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.in-toto+json", LOCK]
    assert sorted(found) == sorted([*plain, *[BUNDLE] * 4])
    bill = next(json.loads(forger.blob(d["layers"][0])) for _, d in forger.referrers(forger.image()) if _is_bill(d))
    listed = {item["name"]: _origin(item) for item in bill["components"]}
    assert listed == {"zlib1g": "base", "own": "base"}
    for about in (forger.root, forger.image()):
        assert {f"sha256-{about.hex}.sig", f"sha256-{about.hex}.att"} <= set(forger.repository.tags)


def test_an_sbom_can_be_required_of_a_base_image(published: SignedBase) -> None:
    """A policy finds the SBOM on the image; without one, an old version is not verified, and the policy fails."""
    policy = published.folder / "policy.toml"
    policy.write_text('[trust."*/acme/*"]\nkey = "signing.pub"\nrequire = ["signature", "provenance", "sbom"]\n')
    rule = f"--policy={policy}"
    assert published.verify(published.address, rule).code == 0
    contents = copied(published.server.contents)
    forger = Forger(contents, "acme/java-connector-base", published.address.digest or releases.NO_DIGEST)
    for digest, document in list(forger.referrers(forger.image())):
        if _is_bill(document) or "spdx" in str(document) or "cyclonedx" in str(document):
            del forger.repository.manifests[digest]
    with RegistryServer(contents=contents) as server:
        address = Reference(server.host, "acme/java-connector-base", None, forger.root)
        without, refused = published.verify(address), published.verify(address, rule)
    assert (without.code, refused.code) == (0, 1)
    assert "no SBOM is attached" in without.out
    assert "no CycloneDX SBOM was found" in refused.out


@pytest.mark.parametrize("kind", ["application/vnd.cyclonedx+json", "application/spdx+json"])
def test_a_changed_sbom_of_a_base_image_is_refused(published: SignedBase, kind: str) -> None:
    """Without a key, the plain SBOM is compared with the layers; the first component that differs is named."""
    contents = copied(published.server.contents)
    forger = Forger(contents, "acme/java-connector-base", published.address.digest or releases.NO_DIGEST)
    for digest, document in list(forger.referrers(forger.image())):
        if document["artifactType"] == BUNDLE:
            del forger.repository.manifests[digest]
    forger.change_documents(kind, lambda data: data.replace(b"1:1.2.13", b"1:1.2.14"))
    with RegistryServer(contents=contents) as server:
        address = str(Reference(server.host, "acme/java-connector-base", None, forger.root))
        done = airbyte_ci("verify", address, cwd=published.folder, home=published.folder / "elsewhere")
    assert done.code == 1
    assert "has another version" in done.out or "lacks zlib1g 1:1.2.13" in done.out


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
    forger.change_documents(LOCK, lambda data: json.dumps({**json.loads(data), "more": 1}).encode() + b"\n")
    forger.change_documents(LOCK, lambda data: data.replace(b"hello", b"howdy"))
    with RegistryServer(contents=contents) as server:
        done = published.verify(Reference(server.host, "acme/java-connector-base", None, forger.root))
    assert done.code == 1
    assert "its provenance has another buildDefinition than its lock results in" in done.out
