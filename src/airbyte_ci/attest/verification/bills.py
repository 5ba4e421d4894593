"""Compares an image's SBOMs with its contents: the packages are read from the layers again."""

from collections.abc import Mapping, Sequence
from typing import Any

from airbyte_ci.attest.sbom import cyclonedx, make_bill, spdx
from airbyte_ci.attest.sbom.base_image import of_base_image
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.sbom.make_bill import BillFacts
from airbyte_ci.attest.statement import CYCLONEDX, SPDX
from airbyte_ci.attest.verification.published import PublishedImage, PublishedRelease
from airbyte_ci.base_images.making.lock import PlatformLock
from airbyte_ci.documents import load_json
from airbyte_ci.errors import SignatureError
from airbyte_ci.images import base as bases
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.image import Image
from airbyte_ci.python.environment.tools import Tools

Json = dict[str, Any]
_WRITERS = {CYCLONEDX: cyclonedx.document, SPDX: spdx.document}
_NAMES = {CYCLONEDX: "CycloneDX SBOM", SPDX: "SPDX SBOM"}
_KEYS = {CYCLONEDX: "bom-ref", SPDX: "SPDXID"}
# The fields that identify the content of a component; others, such as properties, describe it.
_FIELDS = {
    CYCLONEDX: ("type", "name", "version", "group", "purl", "hashes"),
    SPDX: ("name", "versionInfo", "checksums", "externalRefs"),
}


def read_bill(
    published: PublishedRelease, item: PublishedImage, plan: BuildPlan, base_layers: int, tools: Tools
) -> BillOfMaterials:
    """Returns the bill of the image as its layers are; fetches layers that were never read here."""
    facts = BillFacts(
        repository="",
        created=plan.created,
        tool="",
        plan=plan,
        base=plan.base,
        base_layers=base_layers,
    )
    sources = (published.of(item.image.digest), plan.base)
    return make_bill.make(
        tools.store, item.image, facts, lambda: bases.complete(tools.store, item.image, sources, tools.registries)
    )


def read_base_bill(
    published: PublishedRelease, item: PublishedImage, lock: PlatformLock, tools: Tools
) -> BillOfMaterials:
    """Returns the bill of a base image as its layers and its lock are; fetches layers that were never read here."""
    return of_base_image(tools, item.image, lock, published.of(item.image.digest), created="", tool="")


def confirm_any(kind: str, documents: Sequence[Mapping[str, Any]], bill: BillOfMaterials, image: Image) -> None:
    """Raises SignatureError about the first document unless one agrees with the image: anyone may attach one."""
    refusals = []
    for document in documents:
        try:
            return confirm(kind, document, bill, image)
        except SignatureError as error:
            refusals.append(error)
    raise refusals[0]


def confirm(kind: str, document: Mapping[str, Any], bill: BillOfMaterials, image: Image) -> None:
    """Raises SignatureError that names the first component in which the document and the image differ."""
    name = _NAMES[kind]
    listed = _components(kind, document, bill)
    expected = _components(kind, load_json(_WRITERS[kind](bill)), bill)
    for key, component in expected.items():
        found = listed.get(key)
        if found is None:
            raise SignatureError(f"its {name} lacks {_shown(component)}, which is in {_place(bill, component, image)}")
        for field in _FIELDS[kind]:
            if found.get(field) != component.get(field):
                raise SignatureError(
                    f"its {name} has another {field} for {_shown(component)} than {_place(bill, component, image)}: "
                    f"{found.get(field)!r:.80}"
                )
    if more := [key for key in listed if key not in expected]:
        raise SignatureError(f"its {name} lists {_shown(listed[more[0]])}, which is not in the image")


def _components(kind: str, document: Mapping[str, Any], bill: BillOfMaterials) -> dict[str, Json]:
    """Returns the components by their identifiers in the document, without the image itself."""
    listed, key = document.get("components" if kind == CYCLONEDX else "packages"), _KEYS[kind]
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise SignatureError(f"its {_NAMES[kind]} has no list of components")
    own = (item for item in listed if item.get("versionInfo") != bill.root.version)
    return {str(item.get(key)): item for item in own}


def _shown(component: Json) -> str:
    version = component.get("version") or component.get("versionInfo") or ""
    return f"{component.get('name')!s:.80} {version!s:.80}".rstrip()


def _place(bill: BillOfMaterials, component: Json, image: Image) -> str:
    """Returns the layer and file of the image that have the component."""
    version = str(component.get("version") or component.get("versionInfo") or "")
    layers = [str(diff_id) for diff_id in image.config.diff_ids]
    for item in bill.components:
        if item.version == version and component.get("name") in (item.name, f"{item.group}:{item.name}"):
            place = f" (/{item.path})" if item.path else ""
            return f"layer {layers.index(item.layer)}{place}" if item.layer in layers else "the image"
    return "the image"
