"""Finds the `--to` with which a connector can leave an unsuitable base image."""

from datetime import date

from airbyte_ci.base_images.catalog import standing
from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.bases import upgrade_choice
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError


def of(connector: Connector, configuration: Configuration, catalog: Catalog, today: date) -> str:
    """Returns the first that is supported: the yank's replacement, empty (no `--to`), `latest`, the same major version.

    Raises ConnectorError if none is.
    """
    current = catalog.find(connector.base_image or "")
    first = current.replaced_by if current else ""
    last = standing.replacement(catalog, current) if current else ""
    refused: ConnectorError | None = None
    for to in dict.fromkeys((first, "", "latest", last)):
        try:
            version = upgrade_choice.choose_version(connector, configuration, catalog=catalog, today=today, to=to)
        except ConnectorError as error:
            refused = error if to == "latest" else refused  # which reports all available ones
            continue
        if version != current and not version.is_expired(today):
            return to
    raise refused or ConnectorError(
        f"there is no other base image for {connector.name}", advice="add one to the catalog"
    )
