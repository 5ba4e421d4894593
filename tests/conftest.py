"""Fixtures and settings of all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The small image that tests of several rooms share.
pytest_plugins = ("tests.small_image",)

# A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables have their full width, independent of the user's terminal.
os.environ.pop("COLUMNS", None)


# One file for each worker at first. The first one builds the base image, for which most others would wait, and the next
# ones need none. Then the longest files.
_FIRST = (
    "e2e/test_reproducible.py",
    "e2e/test_shipped_bases.py",
    "hooks/test_hostile_hooks.py",
    "campaigns/test_real_fleet.py",
    "e2e/test_base_image_life.py",
    "e2e/test_guide.py",
    "e2e/test_watch.py",
    "e2e/test_many_at_once.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first: at the end, quick ones keep all workers at work."""
    tests = Path(__file__).parent
    places = {tests / name: number for number, name in enumerate(_FIRST)}
    slow = {item.path: len(_FIRST) for item in items if item.get_closest_marker("slow")}
    order = slow | places
    items.sort(key=lambda item: order.get(item.path, len(_FIRST) + 1))
