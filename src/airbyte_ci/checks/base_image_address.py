"""The base image's address is well formed and holds a digest, which is of the version that its tag says."""

from airbyte_ci.base_images.catalogue import Catalogue
from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Place, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference

RULE = Rule(
    id="base-image-address",
    point=2,
    label="latest base",
    title="The base image's address is registry/repository:tag@sha256:digest.",
    why="A tag alone may be another image tomorrow, so the same commit would give another image.",
)
NO_BASE = inapplicable("no base image")
NO_ADDRESS = inapplicable("its address is not well formed")


def check(connector: Connector, catalogue: Catalogue, mending: Mending) -> Verdict:
    if not connector.base_image:
        return NO_BASE
    try:
        reference = Reference.parse(connector.base_image)
    except ImageError as error:
        return failed(error.message, mending.upgrade(connector, "latest"), place(connector))
    if reference.digest is None:
        return failed(f"{connector.base_image} has no digest", mending.upgrade(connector), place(connector))
    if reference.tag is None:
        return failed(
            f"{connector.base_image} has no tag, so nobody sees its version",
            mending.upgrade(connector),
            place(connector),
        )
    # A digest decides what is pulled, and people read the tag.
    known = [item.version for item in catalogue.all_of(reference)]
    if known and reference.tag not in known:
        return failed(
            f"its tag says {reference.tag}, and its digest is that of {' and '.join(known)}",
            mending.upgrade(connector, known[0]),
            place(connector),
        )
    return OK


def reference_of(connector: Connector) -> Reference | Verdict:
    """The address, or why a rule that is about it says nothing."""
    if not connector.base_image:
        return NO_BASE
    try:
        return Reference.parse(connector.base_image)
    except ImageError:
        return NO_ADDRESS


def place(connector: Connector) -> Place:
    """The line of the address."""
    return places.in_metadata(connector, "data", "connectorBuildOptions", "baseImage")
