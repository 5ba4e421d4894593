"""A Dockerfile as a customization: what the base and the build do already, and what remains."""
