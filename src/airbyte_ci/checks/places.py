"""Line numbers in a connector's files, for reports that point at a line. Files are read only after a failure."""

from collections.abc import Sequence

from airbyte_ci.checks.rule import Location
from airbyte_ci.connectors.connector import METADATA, Connector
from airbyte_ci.edits import yaml_events
from airbyte_ci.errors import EditRefused


def file(connector: Connector, name: str) -> Location:
    """Returns the place of a file in the connector's folder."""
    return Location(connector.path_of(name))


def in_metadata(connector: Connector, *keys: str) -> Location:
    """Returns the line in metadata.yaml of the deepest of the nested `keys` that exists."""
    place = file(connector, METADATA)
    try:
        text = (connector.folder / METADATA).read_text("utf-8", errors="replace")
        return Location(place.path, _line(text, keys))
    except (OSError, EditRefused):
        return place


def line_with(text: str, start: str) -> int:
    """Returns the number of the first line that starts with `start`, ignoring indentation; 0 when none does."""
    numbered = enumerate(text.split("\n"), 1)
    return next((number for number, line in numbered if line.lstrip().startswith(start)), 0)


def _line(text: str, keys: Sequence[str]) -> int:
    node, offset = yaml_events.read(text).root, 0
    for key in keys:
        pair = next((pair for pair in node.pairs if pair[0].event.value == key), None)
        if pair is None:
            break
        name, node = pair
        offset = name.start
    return text.count("\n", 0, offset) + 1
