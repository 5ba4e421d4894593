"""Releases of base images: records, publication, refresh of the catalog, and builds from a lock."""
