"""The guide's point 2: metadata names the base image that the connector is built on."""

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="base-image-used",
    point=2,
    label="latest base",
    title="A Python connector names its base image in connectorBuildOptions.baseImage.",
    why="Only what is built on a certified base image gets its fixes by one small change.",
)


def check(connector: Connector, mending: Mending) -> Verdict:
    if not connector.is_built:
        return inapplicable("airbyte-ci does not build connectors of its language")
    if connector.base_image:
        return OK
    if connector.has_dockerfile:
        advice = mending.migrate(connector)
    else:
        advice = "put the lines of one of `airbyte-ci base-images list --format=yaml` into its metadata.yaml"
    return failed("its metadata names no base image", advice, places.in_metadata(connector, "data"))
