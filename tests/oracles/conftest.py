"""The demo's base image, from the store of the end-to-end tests."""

from tests.e2e.conftest import base, home

__all__ = ["base", "home"]
