"""Converts a Dockerfile to a customization: the parts that the base and the build cover, and the rest."""
