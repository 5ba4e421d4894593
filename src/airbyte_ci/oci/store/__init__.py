"""The store: an OCI image layout with an action cache, its collection, limits and checks."""
