"""Manifests of what is no image, such as documents about one (image-spec, manifest.md, "artifact usage")."""

from collections.abc import Mapping

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import MANIFEST, Descriptor, Manifest, canonical_json

# The configuration of a manifest that has none: the two bytes `{}`.
EMPTY = b"{}"
EMPTY_DESCRIPTOR = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(EMPTY), len(EMPTY))


def artifact(
    artifact_type: str,
    layers: tuple[Descriptor, ...],
    annotations: Mapping[str, str] | None = None,
    subject: Descriptor | None = None,
) -> Manifest:
    """Returns the manifest of an artifact, which registries list under its subject if it has one."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": EMPTY_DESCRIPTOR.to_json(),
        "layers": [layer.to_json() for layer in layers],
        **({"subject": subject.to_json()} if subject else {}),
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    return Manifest(
        canonical_json(document),
        MANIFEST,
        config=EMPTY_DESCRIPTOR,
        layers=layers,
        annotations=dict(annotations or {}),
    )
