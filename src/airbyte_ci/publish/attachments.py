"""The attachments of a release: a table of functions, each of which writes documents about one image or the index.

Add a kind of document here. Documents come first; a signer then receives all documents about one image or index.
"""

from collections.abc import Callable, Mapping, Sequence

from airbyte_ci.attest import provenance
from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.attest.sbom import attachments as sbom
from airbyte_ci.attest.subject import Subject, SubjectImage
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools

# Returns documents about one platform's image, or about the index (None). Equal subjects must give equal bytes.
Write = Callable[[Subject, SubjectImage | None, Tools], Sequence[Attachment]]
# Returns everything to attach to one image or index, from its documents: signatures, and signed instead of plain ones.
Sign = Callable[[Subject, Descriptor, Sequence[Attachment]], Sequence[Attachment]]
# Stores signatures for readers that know no attachments, from the signed documents; returns manifests by tag.
WriteLegacy = Callable[[Subject, Descriptor, Sequence[Attachment], Store], Mapping[str, Digest]]

WRITERS: tuple[Write, ...] = (provenance.write, sbom.write)


def write(
    subject: Subject, image: SubjectImage | None, tools: Tools, sign: Sign | None, more: Sequence[Write] = ()
) -> tuple[Attachment, ...]:
    """Returns the attachments of one platform's image, or of the index, in the order of pushing.

    `more` are writers of this publication, such as of the results of tests.
    """
    documents = [document for writer in (*WRITERS, *more) for document in writer(subject, image, tools)]
    described = image.descriptor if image else subject.index.descriptor
    return tuple(sign(subject, described, documents) if sign else documents)
