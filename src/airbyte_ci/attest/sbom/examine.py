"""The bill of any image: of its plan and its base image, as far as the store, the image and its registry name them."""

from collections.abc import Iterator
from dataclasses import dataclass

import airbyte_ci
from airbyte_ci.attest.build_inputs import BUILD_PLAN
from airbyte_ci.attest.sbom import make_bill
from airbyte_ci.attest.sbom.bill import BillOfMaterials
from airbyte_ci.attest.sbom.make_bill import BillFacts
from airbyte_ci.documents import load_json
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images import base as bases
from airbyte_ci.images.locate_image import LocatedImage
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CREATED, Descriptor, Image, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools

# Real plans and manifests are smaller than 1 MB.
_LARGEST_INPUT = 64 << 20


@dataclass(frozen=True, slots=True)
class BaseFound:
    """The base image of an image: its address, and the number of its layers if it is available."""

    reference: Reference | None
    layers: int | None


def examine(
    tools: Tools,
    located: LocatedImage,
    repository: str,
    *,
    is_base: bool = False,
    license_text: str = "",
    created: str = "",
) -> BillOfMaterials:
    """Returns the bill of an image in a repository; `is_base` marks an image that is a base image itself.

    `license_text` is that of the connector's code. Without `created` (RFC 3339), the image's own time is used. Raises
    ImageError, BlobNotFound, RegistryError.
    """
    image = located.image
    plan = find_plan(tools, located)
    base = BaseFound(None, len(image.layers)) if is_base else find_base(tools, image, plan)
    facts = BillFacts(
        repository=repository,
        created=created or str(image.config.document.get("created") or CREATED),
        tool=airbyte_ci.__version__,
        plan=plan,
        base=base.reference,
        base_layers=base.layers,
        license=license_text,
    )
    return make_bill.make(tools.store, image, facts, lambda: located.complete(tools))


def find_plan(tools: Tools, located: LocatedImage) -> BuildPlan | None:
    """Returns the plan whose digest the image has, from the store or attached in its registry; None without one."""
    named = located.image.manifest.annotations.get(PLAN_DIGEST)
    if not named:
        return None
    try:
        digest = Digest.parse(named)
        _pull(tools, located, digest)
        plan = BuildPlan.from_json(load_json(tools.store.read(digest)))
        _pull(tools, located, plan.base_manifest)
        return plan
    except (AirbyteCiError, ValueError, LookupError, TypeError, AttributeError):
        return None  # it is gone, or another version of airbyte-ci wrote it


def _pull(tools: Tools, located: LocatedImage, digest: Digest) -> None:
    """Fetches one of the inputs of the build that are attached to the image; its digest verifies it."""
    if located.reference is None or tools.store.has(digest):
        return
    place = located.reference.at(located.image.digest)
    for layer in _attached(tools, place):
        if layer.digest == digest and layer.size <= _LARGEST_INPUT:
            tools.registries.pull_blob(place, layer, tools.store)
            return


def _attached(tools: Tools, place: Reference) -> Iterator[Descriptor]:
    for item in tools.registries.referrers(place, BUILD_PLAN):
        manifest = tools.registries.manifest(place.with_digest(item.digest))
        if isinstance(manifest, Manifest):
            yield from manifest.layers


def find_base(tools: Tools, image: Image, plan: BuildPlan | None) -> BaseFound:
    """Returns the base image that the plan or the annotations name; its layers count if the image begins with them."""
    reference = plan.base if plan else bases.annotated(image)
    if reference is None or reference.digest is None:
        return BaseFound(None, None)
    try:
        below = _base_manifest(tools, reference, image, plan).layers
    except AirbyteCiError:
        return BaseFound(reference, None)
    is_below = all(one.digest == other.digest for one, other in zip(below, image.manifest.layers, strict=False))
    return BaseFound(reference, len(below) if is_below and len(below) <= len(image.layers) else None)


def _base_manifest(tools: Tools, reference: Reference, image: Image, plan: BuildPlan | None) -> Manifest:
    """Returns the manifest of the base image; its registry is asked only if the image does not come with it."""
    if plan and tools.store.has(plan.base_manifest):
        return Manifest.parse(tools.store.read(plan.base_manifest), f"the base image {reference}")
    return bases.resolve(tools.store, reference, image.config.platform, tools.registries).manifest
