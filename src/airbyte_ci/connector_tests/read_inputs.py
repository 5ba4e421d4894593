"""What `check`, `discover` and `read` are run with: the configuration, the catalog and the state of a connector."""

from dataclasses import dataclass

from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError

# The configured catalog that a connector's own tests read.
CATALOG = "integration_tests/configured_catalog.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInputs:
    """The inputs of a comparison; `catalog` is a configured catalog, or None for all discovered streams."""

    secrets: Secrets
    catalog: bytes | None
    state: bytes | None


def own_catalog(connector: Connector) -> bytes | None:
    """Returns the connector's configured catalog, if it has one."""
    path = connector.folder / CATALOG
    return path.read_bytes() if path.is_file() else None


def with_own_catalog(connector: Connector, inputs: ReadInputs) -> ReadInputs:
    """Returns the inputs with the connector's configured catalog unless they name one. Raises ConnectorError."""
    if inputs.catalog is not None or (catalog := own_catalog(connector)) is None:
        return inputs
    from airbyte_ci.connector_tests import protocol  # slow to import, and commands read only the constant

    if wrong := protocol.problem_of_catalog(catalog):
        raise ConnectorError(
            f"cannot read {connector.relative}/{CATALOG}: {wrong}",
            advice="correct it, or name a catalog with --catalog",
        )
    return ReadInputs(secrets=inputs.secrets, catalog=catalog, state=inputs.state)
