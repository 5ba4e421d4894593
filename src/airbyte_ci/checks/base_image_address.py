"""Checks that the base image's address is well formed and that its digest belongs to the version in its tag."""

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Location, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference

RULE = Rule(
    id="base-image-address",
    point=2,
    label="latest base",
    title="The base image's address has the form registry/repository:tag@sha256:digest.",
    why="A tag can point to another image tomorrow, so the same commit would build another image.",
)
NO_BASE = inapplicable("no base image")
NO_ADDRESS = inapplicable("the base image's address is malformed")


def check(connector: Connector, catalog: Catalog, mending: Mending) -> Verdict:
    if not connector.base_image:
        return NO_BASE
    try:
        reference = Reference.parse(connector.base_image)
    except ImageError as error:
        return failed(error.message, mending.upgrade(connector, "latest"), place(connector), error.error_id)
    if reference.digest is None:
        return failed(f"{connector.base_image} has no digest", mending.upgrade(connector), place(connector))
    if reference.tag is None:
        return failed(
            f"{connector.base_image} has no tag, so its version is not visible",
            mending.upgrade(connector),
            place(connector),
        )
    # The digest decides which image is pulled, but people read the tag.
    known = [item.version for item in catalog.all_of(reference)]
    if known and reference.tag not in known:
        return failed(
            f"the tag is {reference.tag}, but the digest belongs to {' and '.join(known)}",
            mending.upgrade(connector, known[0]),
            place(connector),
        )
    return OK


def reference_of(connector: Connector) -> Reference | Verdict:
    """Returns the parsed address, or the verdict of a rule that cannot be applied to it."""
    if not connector.base_image:
        return NO_BASE
    try:
        return Reference.parse(connector.base_image)
    except ImageError:
        return NO_ADDRESS


def place(connector: Connector) -> Location:
    """Returns the line of the address in metadata.yaml."""
    return places.in_metadata(connector, "data", "connectorBuildOptions", "baseImage")
