"""Signatures as cosign 2 stores them: under tags next to the image, for admission controllers that read nothing else.

The signature is of a small document (simple signing); attestations are DSSE envelopes. The tags are named by the digest
that they are about: `sha256-….sig` and `sha256-….att` (cosign, specs/SIGNATURE_SPEC.md and ATTESTATION_SPEC.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.attest.signing import base64_text
from airbyte_ci.attest.signing.bundle import BUNDLE, PREDICATE_TYPE, parse_bundle
from airbyte_ci.attest.signing.keys import SigningKey, VerifyingKey
from airbyte_ci.attest.statement import COSIGN_SIGN
from airbyte_ci.errors import ImageError, SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CONFIG, Descriptor, Manifest, canonical_json, parse_json_object
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_KIND = "cosign container image signature"


def signature_tag(digest: Digest) -> str:
    return f"sha256-{digest.hex}.sig"


def write(
    key: SigningKey, place: Reference, created: str, signed: Sequence[Attachment], store: Store
) -> Mapping[str, Digest]:
    """Stores the tags' manifests with their blobs; returns them by tag. `signed` are the signed attachments.

    `place` is the address of the image or index with its digest.
    """
    assert place.digest is not None
    payload = canonical_json(_document(f"{place.registry}/{place.repository}", place.digest))
    signature = base64_text.encode(key.sign(payload))
    found = {signature_tag(place.digest): _store(store, [(SIMPLE_SIGNING, payload, {_SIGNATURE: signature})], created)}
    envelopes = [
        (_ENVELOPE, _envelope(item), {_SIGNATURE: "", "predicateType": item.annotations[PREDICATE_TYPE]})
        for item in signed
        if item.artifact_type == BUNDLE and item.annotations[PREDICATE_TYPE] != COSIGN_SIGN
    ]
    if envelopes:
        found[f"sha256-{place.digest.hex}.att"] = _store(store, envelopes, created)
    return found


def confirm(layer: Descriptor, payload: bytes, digest: Digest, key: VerifyingKey) -> None:
    """Raises SignatureError unless the key signed the payload, and the payload is about the digest."""
    try:
        signature = base64_text.decode(layer.annotations.get(_SIGNATURE))
        document = parse_json_object(payload, "the signed document")
    except (ValueError, ImageError) as error:
        raise SignatureError(f"its legacy signature is damaged: {error}") from error
    if not key.accepts(signature, payload):
        raise SignatureError("its legacy signature is of another key, or of other content")
    if document.get("critical", {}).get("image", {}).get("docker-manifest-digest") != str(digest):
        raise SignatureError("its legacy signature is about another image")


def _document(repository: str, digest: Digest) -> dict[str, Any]:
    identity = {"docker-reference": repository}
    return {
        "critical": {"identity": identity, "image": {"docker-manifest-digest": str(digest)}, "type": _KIND},
        "optional": None,
    }


def _envelope(attachment: Attachment) -> bytes:
    return canonical_json(parse_bundle(attachment.content, "the attestation").envelope.to_json())


def _store(store: Store, blobs: Sequence[tuple[str, bytes, Mapping[str, str]]], created: str) -> Digest:
    """Stores an image whose layers are documents; its configuration names them, as registries of that time expect."""
    layers = tuple(
        Descriptor(media_type, store.put(content), len(content), annotations)
        for media_type, content, annotations in blobs
    )
    rootfs = {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]}
    config = canonical_json(
        {"architecture": "", "config": {}, "created": created, "history": [{}], "os": "", "rootfs": rootfs}
    )
    described = Descriptor(CONFIG, store.put(config), len(config))
    manifest = Manifest.make(described, layers, {CREATED_ANNOTATION: created})
    return store.put(manifest.raw)
