"""Checks point 1 of the guide: the connector has no Dockerfile."""

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="no-dockerfile",
    point=1,
    label="no Dockerfile",
    title="A connector has no Dockerfile.",
    why="A Dockerfile's content is neither pinned nor shared between connectors. airbyte-ci does not build from it.",
)


def check(connector: Connector, mending: Mending) -> Verdict:
    if not connector.is_built:
        return inapplicable("airbyte-ci does not build connectors of its language")
    if not connector.has_dockerfile:
        return OK
    path = places.file(connector, "Dockerfile")
    if connector.base_image or not connector.is_python:
        return failed(
            "the connector has a Dockerfile in addition to its base image"
            if connector.base_image
            else "the connector has a Dockerfile, from which airbyte-ci does not build",
            f"git rm {mending.path(path.path)}",
            path,
        )
    return failed("the connector is still built from its Dockerfile", mending.migrate(connector), path)
