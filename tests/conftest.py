"""Fixtures and settings of all tests."""

import os

import pytest
from hypothesis import settings

# The small image that tests of several rooms share.
pytest_plugins = ("tests.small_image",)

# A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables have their full width, independent of the user's terminal.
os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first: at the end, quick ones keep all workers at work."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
