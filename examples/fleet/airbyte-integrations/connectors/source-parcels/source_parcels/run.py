"""The command line of the connector."""

import sys

from airbyte_cdk.entrypoint import launch

from source_parcels.source import SourceParcels


def run() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    launch(SourceParcels(), sys.argv[1:])
