"""Sources that become wheels: sdists, folders and git commits, and their metadata."""
