"""Evidence: the documents that a registry has about an image or index, fetched into the store.

Anyone who may push to a repository may attach documents, so all of them are hostile until a key or a digest proves
otherwise. Those that cannot be read are kept with the reason, and never stop the others from being used.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from airbyte_ci.attest.base_provenance import BASE_LOCK
from airbyte_ci.attest.build_inputs import BUILD_PLAN
from airbyte_ci.attest.signing import legacy
from airbyte_ci.attest.signing.bundle import ANY_BUNDLE, Bundle, parse_bundle
from airbyte_ci.attest.statement import COSIGN_SIGN, IN_TOTO, SBOM_TYPES, Statement
from airbyte_ci.errors import BlobNotFound, ImageError, SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Manifest, parse_json_object
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient

# A registry may list any number of documents of any size; real ones are far below.
_MOST_DOCUMENTS = 200
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement about the image, and the bundle that signs it; None if it is not signed."""

    statement: Statement
    bundle: Bundle | None
    digest: Digest


@dataclass(frozen=True, slots=True)
class PlainSbom:
    """An unsigned SBOM, with the predicate type that its signed form has."""

    kind: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AttachedPlan:
    """A build plan with the descriptors of its inputs in the same repository."""

    content: bytes
    inputs: tuple[Descriptor, ...]

    @property
    def digest(self) -> Digest:
        return Digest.of(self.content)


@dataclass(frozen=True, slots=True)
class LegacySignature:
    """A signature of cosign 2: the layer with the signature as its annotation, and the signed document."""

    layer: Descriptor
    payload: bytes


@dataclass(slots=True, kw_only=True)
class Evidence:
    """All documents about one image or index. `ignored` says why some cannot be used."""

    claims: list[Claim] = field(default_factory=list)
    sboms: list[PlainSbom] = field(default_factory=list)
    plans: list[AttachedPlan] = field(default_factory=list)
    locks: list[bytes] = field(default_factory=list)
    legacy: list[LegacySignature] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def of_type(self, predicate_type: str) -> Iterator[Claim]:
        yield from (item for item in self.claims if item.statement.predicate_type == predicate_type)


def collect(registries: RegistryClient, reference: Reference, store: Store, executor: Executor) -> Evidence:
    """Fetches every document about the reference's digest; raises RegistryError if the registry fails."""
    listed = registries.referrers(reference)
    found = Evidence()
    if len(listed) > _MOST_DOCUMENTS:
        found.ignored.append(f"{len(listed) - _MOST_DOCUMENTS} more documents than the {_MOST_DOCUMENTS} that are read")
    wanted = listed[:_MOST_DOCUMENTS]
    for read in executor.map(lambda item: _read(registries, reference, item, store), wanted):
        match read:
            case Claim():
                found.claims.append(read)
            case PlainSbom():
                found.sboms.append(read)
            case AttachedPlan():
                found.plans.append(read)
            case bytes():
                found.locks.append(read)
            case str() if read:
                found.ignored.append(read)
    if not any(found.of_type(COSIGN_SIGN)):
        found.legacy += _legacy(registries, reference, store)
    return found


def _legacy(registries: RegistryClient, reference: Reference, store: Store) -> Iterator[LegacySignature]:
    """Yields the signatures under cosign 2's tag, which is read only where there is no newer signature."""
    assert reference.digest is not None
    place = reference.with_tag(legacy.signature_tag(reference.digest))
    try:
        manifest = registries.manifest(place)
    except (BlobNotFound, ImageError):
        return
    for layer in manifest.layers[:_MOST_DOCUMENTS] if isinstance(manifest, Manifest) else ():
        if layer.media_type == legacy.SIMPLE_SIGNING and layer.size <= _LARGEST:
            registries.pull_blob(place, layer, store)
            yield LegacySignature(layer, store.read(layer.digest))


def _read(
    registries: RegistryClient, reference: Reference, listed: Descriptor, store: Store
) -> Claim | PlainSbom | AttachedPlan | bytes | str:
    """Returns one document, or why it cannot be used; empty for one of another kind. Bytes are a base image's lock."""
    what = f"document {listed.digest.short}"
    place = reference.at(listed.digest)
    try:
        manifest = _manifest(registries, place, store)
        if isinstance(manifest, str):
            return manifest
        subject = Descriptor.from_json(parse_json_object(manifest.raw, what).get("subject"), what)
        if subject.digest != reference.digest:
            return f"{what} is attached to {subject.digest.short}, another image"
        layer = manifest.layers[0]
        if not _is_known(layer.media_type):
            return ""
        if layer.size > _LARGEST:
            return f"{what} has {layer.size} bytes, more than documents have"
        registries.pull_blob(place, layer, store)
        return _parse(layer, manifest.layers[1:], store.read(layer.digest), what)
    except (BlobNotFound, ImageError, SignatureError) as error:
        return error.message


def _manifest(registries: RegistryClient, place: Reference, store: Store) -> Manifest | str:
    assert place.digest is not None
    found = store.manifest(place.digest) if store.has(place.digest) else registries.manifest(place)
    store.put(found.raw)
    if not isinstance(found, Manifest) or not found.layers:
        return f"document {place.digest.short} is not an artifact"
    return found


def _is_known(media_type: str) -> bool:
    return media_type.startswith(ANY_BUNDLE) or media_type in (IN_TOTO, BUILD_PLAN, BASE_LOCK, *SBOM_TYPES)


def _parse(
    layer: Descriptor, more: Sequence[Descriptor], content: bytes, what: str
) -> Claim | PlainSbom | AttachedPlan | bytes:
    if layer.media_type == BASE_LOCK:
        return content
    if layer.media_type == BUILD_PLAN:
        return AttachedPlan(content, tuple(more))
    if kind := SBOM_TYPES.get(layer.media_type):
        return PlainSbom(kind, parse_json_object(content, what))
    if layer.media_type == IN_TOTO:
        return Claim(Statement.parse(content, what), None, layer.digest)
    bundle = parse_bundle(content, what)
    if bundle.envelope.payload_type != IN_TOTO:
        raise SignatureError(f"{what} signs {bundle.envelope.payload_type!r:.60} and not a statement")
    return Claim(Statement.parse(bundle.envelope.payload, what), bundle, layer.digest)
