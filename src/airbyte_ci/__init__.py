"""airbyte-ci builds and maintains data connectors on certified base images."""

__version__ = "0.2.0"
