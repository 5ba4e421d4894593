"""The attachments of a release: a table of functions, each of which writes documents about one image or the index.

Add a kind of document here. Documents come first; a signer then receives all documents about one image or index.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airbyte_ci.attest import provenance
from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.attest.sbom import attachments as sbom
from airbyte_ci.attest.subject import Subject, SubjectImage
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish.release import ReleasePart
from airbyte_ci.python.environment.tools import Tools

# Returns documents about one platform's image, or about the index (None). Equal subjects must give equal bytes.
Write = Callable[[Subject, SubjectImage | None, Tools], Sequence[Attachment]]
# Returns everything to attach to the image or index with this digest, from the time and the documents of its release:
# signatures, and signed documents instead of plain ones.
Sign = Callable[[Digest, str, Sequence[Attachment]], Sequence[Attachment]]
# Stores signatures for readers that know no attachments, from the address with a digest, the time and the signed
# documents; returns manifests by tag.
WriteLegacy = Callable[[Reference, str, Sequence[Attachment], Store], Mapping[str, Digest]]


@dataclass(frozen=True, slots=True)
class Signing:
    """How a publication signs; without `sign`, documents stay plain, and without `legacy`, cosign 2 finds nothing."""

    sign: Sign | None = None
    legacy: WriteLegacy | None = None


NOT_SIGNED = Signing()
WRITERS: tuple[Write, ...] = (provenance.write, sbom.write)


def write(
    subject: Subject,
    image: SubjectImage | None,
    tools: Tools,
    signing: Signing,
    more: Sequence[Write] = (),
) -> ReleasePart:
    """Returns one platform's image, or the index, with its documents in the order of pushing.

    `more` are writers of this publication, such as of the results of tests.
    """
    documents = [document for writer in (*WRITERS, *more) for document in writer(subject, image, tools)]
    manifest = image.image.manifest if image else subject.index
    return sign(manifest, documents, subject.repository, subject.created, signing, tools.store)


def sign(
    manifest: Manifest | Index,
    documents: Sequence[Attachment],
    repository: Reference,
    created: str,
    signing: Signing,
    store: Store,
) -> ReleasePart:
    """Returns an image or index with these documents, signed if the publication signs. `created` is RFC 3339."""
    signed = tuple(signing.sign(manifest.digest, created, documents) if signing.sign else documents)
    legacy = signing.legacy(repository.at(manifest.digest), created, signed, store) if signing.legacy else {}
    return ReleasePart(manifest, signed, legacy)
