"""Declarations of base images as values, without building anything."""
