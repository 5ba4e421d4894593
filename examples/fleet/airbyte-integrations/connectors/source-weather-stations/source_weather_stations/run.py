"""The command line of the connector."""

import sys

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch

from source_weather_stations.source import SourceWeatherStations


def run() -> None:
    """Answer spec, check, discover or read, as the arguments say."""
    args = sys.argv[1:]
    catalog = AirbyteEntrypoint.extract_catalog(args)
    config = AirbyteEntrypoint.extract_config(args)
    state = AirbyteEntrypoint.extract_state(args)
    source = SourceWeatherStations(
        catalog=SourceWeatherStations.read_catalog(catalog) if catalog else None,
        config=SourceWeatherStations.read_config(config) if config else None,
        state=SourceWeatherStations.read_state(state) if state else None,
    )
    launch(source, args)
