"""Builds a connector with a change, to compare its image with the one before."""

from pathlib import Path

from airbyte_ci.attest.compare.find_image import FoundImage, with_annotated_base
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.overlay import overlay
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images import job
from airbyte_ci.images.order import Order
from airbyte_ci.python.environment.tools import Tools


def build_change(connector: Connector, change: Change, *, root: Path, order: Order, tools: Tools) -> FoundImage:
    """Returns the image of the connector with the change; raises AirbyteCiError."""
    tools.say("building the connector with the change")
    with overlay(connector, root, change.edit) as changed:
        (done,) = job.make(changed, order, tools)
    return with_annotated_base(tools, f"{connector.name} {change.after}", done.image, order.native)
