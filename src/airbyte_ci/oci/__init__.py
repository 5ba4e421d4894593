"""Image formats of OCI: digests, references, manifests, layers, and the store."""
