"""Connectors of a repository: found, read, selected and queried."""
