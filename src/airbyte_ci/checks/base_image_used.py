"""Checks point 2 of the guide: metadata.yaml names the base image that the connector is built on."""

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="base-image-used",
    point=2,
    label="latest base",
    title="A connector names its base image in connectorBuildOptions.baseImage.",
    why="Connectors built on a certified base image receive each fix by changing one line.",
)


def check(connector: Connector, mending: Mending) -> Verdict:
    if not connector.is_built:
        return inapplicable("airbyte-ci does not build connectors of its language")
    if connector.base_image:
        return OK
    if not connector.is_python:
        advice = mending.set_base(connector)
    elif connector.has_dockerfile:
        advice = mending.migrate(connector)
    else:
        advice = "add the lines of a base image from `airbyte-ci base-images list --format=yaml` to metadata.yaml"
    return failed("metadata.yaml names no base image", advice, places.in_metadata(connector, "data"))
