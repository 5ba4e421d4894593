"""The migrations of connectors, one file each."""
