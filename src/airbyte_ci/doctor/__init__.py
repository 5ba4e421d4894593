"""Whether this machine can build images: its sandboxes, disk, registries and tools."""
