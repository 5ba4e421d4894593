"""Versions of base images as data: where they are, what they are built on, which may be used."""
