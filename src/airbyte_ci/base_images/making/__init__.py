"""Builds base images from declarations, with the lock of every input."""
