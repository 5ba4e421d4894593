"""Attachments: documents about an image or index that a registry stores as its referrers.

`oci.artifact` has the exact form of their manifests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from airbyte_ci.oci.artifact import artifact
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Manifest

CREATED_ANNOTATION = "org.opencontainers.image.created"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One document. `annotations` are those of its manifest; equal input must give equal bytes.

    `more` are further blobs of the store that belong to the document, such as files that it names by digest.
    """

    artifact_type: str
    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)
    more: tuple[Descriptor, ...] = ()

    @property
    def kind(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Returns what the document is about: its artifact type and its annotations without the time."""
        return kind_of(self.artifact_type, self.annotations)

    def manifest(self, described: Descriptor) -> Manifest:
        """Returns the manifest that attaches the document to the image or index."""
        subject = Descriptor(described.media_type, described.digest, described.size)
        layers = (Descriptor(self.media_type, Digest.of(self.content), len(self.content)), *self.more)
        return artifact(self.artifact_type, layers, self.annotations, subject)


def kind_of(artifact_type: str, annotations: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Returns the kind of an attachment that a registry lists; see `Attachment.kind`."""
    return artifact_type, tuple(sorted((key, text) for key, text in annotations.items() if key != CREATED_ANNOTATION))
