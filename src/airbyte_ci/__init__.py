"""airbyte-ci builds and maintains Python data connectors on certified base images."""

__version__ = "0.1.0"
