"""The `connectors` commands that change connectors, and `apply`."""
