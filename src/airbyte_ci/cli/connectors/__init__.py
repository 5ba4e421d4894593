"""The `connectors` commands that read, build, test and run connectors."""
