"""Root file systems: trees, unpacked layers and their snapshots, and the changes that a command left."""
