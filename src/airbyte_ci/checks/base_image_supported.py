"""Checks that the base image is still supported."""

from datetime import date

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.checks import base_image_address
from airbyte_ci.checks.base_image_yanked import WayOut, to_be_left, unknown
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="base-image-supported",
    point=2,
    label="latest base",
    title="The base image is supported: its supported-until date in the catalog has not passed.",
    why="After that date, vulnerabilities in the base image are no longer fixed.",
)


def check(connector: Connector, catalog: Catalog, today: date, way_out: WayOut, mending: Mending) -> Verdict:
    """A version without a date counts as supported."""
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    version = catalog.find(str(reference))
    if version is None:
        return unknown(connector)
    if not version.is_expired(today):
        return OK
    reason = f"{version.address.name} {version.version} was supported until {version.supported_until}"
    return to_be_left(reason, connector, way_out, mending)
