"""Test tools that are shipped: a registry that fails on purpose, and sample images."""
