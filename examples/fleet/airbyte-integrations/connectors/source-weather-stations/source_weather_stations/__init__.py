"""A low-code source that reads weather stations and their observations from an HTTP server."""

from source_weather_stations.source import SourceWeatherStations

__all__ = ["SourceWeatherStations"]
