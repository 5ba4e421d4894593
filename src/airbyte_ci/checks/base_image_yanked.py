"""The base image was not withdrawn."""

from airbyte_ci.base_images.catalogue import Catalogue
from airbyte_ci.checks import base_image_address
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, unverified
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="base-image-not-yanked",
    point=2,
    label="latest base",
    title="The base image is not yanked in the catalogue.",
    why="A yanked version is one that its own makers tell everybody to leave.",
)


def check(connector: Connector, catalogue: Catalogue, mending: Mending) -> Verdict:
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    version = catalogue.find(str(reference))
    if version is None:
        return unknown(connector)
    if not version.yanked:
        return OK
    return failed(
        f"{version.address.name} {version.version} was yanked: {version.yanked}",
        mending.upgrade(connector, version.replaced_by),
        base_image_address.place(connector),
    )


def unknown(connector: Connector) -> Verdict:
    """Nothing is known of an image that no catalogue has."""
    return unverified(f"the catalogue does not know {connector.base_image}", "airbyte-ci base-images list")
