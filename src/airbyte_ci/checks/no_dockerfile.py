"""The guide's point 1: the connector has no Dockerfile."""

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed, inapplicable
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="no-dockerfile",
    point=1,
    label="no Dockerfile",
    title="A Python connector has no Dockerfile.",
    why="What a Dockerfile says is neither pinned nor shared with other connectors, and nothing is built from it.",
)


def check(connector: Connector, mending: Mending) -> Verdict:
    if not connector.is_built:
        return inapplicable("airbyte-ci does not build connectors of its language")
    if not connector.has_dockerfile:
        return OK
    path = places.file(connector, "Dockerfile")
    if connector.base_image:
        return failed("it has a Dockerfile beside its base image", f"git rm {mending.path(path.path)}", path)
    return failed("it is still built from its Dockerfile", mending.migrate(connector), path)
