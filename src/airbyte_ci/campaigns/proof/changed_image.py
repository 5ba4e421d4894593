"""Proves one change: builds the connector with the change, and compares it with the image before."""

from pathlib import Path

from airbyte_ci.attest.compare.compare import compare_images
from airbyte_ci.attest.compare.comparison import ImageComparison
from airbyte_ci.attest.compare.find_image import FoundImage, with_annotated_base
from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.campaigns.changes.overlay import overlay
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images import job
from airbyte_ci.images.order import Order
from airbyte_ci.python.environment.tools import Tools


def compare_change(
    connector: Connector, change: Change, *, root: Path, order: Order, tools: Tools, previous: FoundImage
) -> ImageComparison:
    """Returns the comparison of the previous image with the one of the change; raises AirbyteCiError."""
    tools.say("building the connector with the change")
    with overlay(connector, root, change.edit) as changed:
        (done,) = job.make(changed, order, tools)
    new = with_annotated_base(tools, f"{connector.name} {change.after}", done.image, order.native)
    tools.say("comparing both images")
    return compare_images(tools.store, previous, new)
