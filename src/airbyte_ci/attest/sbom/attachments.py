"""Bills of materials as attachments of a release, in both formats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airbyte_ci.attest import statement
from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.attest.sbom import cyclonedx, make_bill, spdx
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.sbom.make_bill import BillFacts
from airbyte_ci.attest.subject import Subject, SubjectImage
from airbyte_ci.images import base
from airbyte_ci.python.environment.tools import Tools


@dataclass(frozen=True, slots=True)
class BillFormat:
    """A format of bills: its media type, and its writer."""

    name: str
    media_type: str
    write: Callable[[BillOfMaterials], bytes]


CYCLONEDX = BillFormat("cyclonedx", statement.CYCLONEDX_JSON, cyclonedx.document)
SPDX = BillFormat("spdx", statement.SPDX_JSON, spdx.document)
FORMATS: Mapping[str, BillFormat] = {item.name: item for item in (CYCLONEDX, SPDX)}


def write(subject: Subject, image: SubjectImage | None, tools: Tools) -> Sequence[Attachment]:
    """Returns the bills of one platform's image; none for the index, whose images differ."""
    if image is None:
        return ()
    return attach_bill(of_release(subject, image, tools))


def attach_bill(bill: BillOfMaterials) -> tuple[Attachment, ...]:
    """Returns a bill in each format."""
    return tuple(
        Attachment(item.media_type, item.media_type, item.write(bill), {CREATED_ANNOTATION: bill.created})
        for item in (CYCLONEDX, SPDX)
    )


def of_release(subject: Subject, image: SubjectImage, tools: Tools) -> BillOfMaterials:
    """Returns the bill of one platform's image of a release."""
    sources = (image.plan.base, subject.repository)
    facts = BillFacts(
        repository=f"{subject.repository.registry}/{subject.repository.repository}",
        created=subject.created,
        tool=subject.tool,
        plan=image.plan,
        base=image.plan.base,
        base_layers=image.base_layers,
        license=subject.connector.license,
    )
    return make_bill.make(
        tools.store, image.image, facts, lambda: base.complete(tools.store, image.image, sources, tools.registries)
    )
