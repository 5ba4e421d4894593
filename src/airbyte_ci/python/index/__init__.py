"""Package indexes: settings, credentials, queries, and the files of pinned requirements."""
