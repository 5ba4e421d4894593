"""Checks that the base image was not withdrawn."""

from collections.abc import Callable

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.checks import base_image_address
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, unverified
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError

RULE = Rule(
    id="base-image-not-yanked",
    point=2,
    label="latest base",
    title="Neither the base image nor any image that it is built on is yanked in the catalog.",
    why="The maintainers yank a version when no connector should use it any longer.",
)

# Returns the `--to` of an upgrade away from the connector's base image; empty: no option needed. Raises ConnectorError.
WayOut = Callable[[Connector], str]


def check(connector: Connector, catalog: Catalog, way_out: WayOut, mending: Mending) -> Verdict:
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    version = catalog.find(str(reference))
    if version is None:
        return unknown(connector)
    if not version.withdrawal:
        return OK
    reason = f"was yanked: {version.yanked}" if version.yanked else f"is {version.withdrawal}"
    return to_be_left(f"{version.address.name} {version.version} {reason}", connector, way_out, mending)


def to_be_left(reason: str, connector: Connector, way_out: WayOut, mending: Mending) -> Verdict:
    """Returns a failure that advises an upgrade; where every upgrade is refused, the failure says why."""
    place = base_image_address.place(connector)
    try:
        return failed(reason, mending.upgrade(connector, way_out(connector)), place)
    except ConnectorError as error:
        return failed(f"{reason}; {error.message}", error.advice or "", place, error.error_id)


def unknown(connector: Connector) -> Verdict:
    """Returns the verdict for an image that is not in the catalog."""
    return unverified(f"the catalog does not contain {connector.base_image}", "airbyte-ci base-images list")
