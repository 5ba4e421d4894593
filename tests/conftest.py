"""Fixtures and settings of all tests."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# The small image that tests of several rooms share.
pytest_plugins = ("tests.small_image",)

# A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables have their full width, independent of the user's terminal.
os.environ.pop("COLUMNS", None)

# jsonschema imports rfc3987_syntax, which then builds 38 parsers: three seconds of each worker. Few tests check an IRI.
_UNTIL_NEEDED = ModuleType("rfc3987_syntax")


def _is_valid_syntax(term: str, value: str) -> bool:
    """Asks the real module, which is imported with the first question."""
    if sys.modules[_UNTIL_NEEDED.__name__] is _UNTIL_NEEDED:
        del sys.modules[_UNTIL_NEEDED.__name__]
    return bool(importlib.import_module(_UNTIL_NEEDED.__name__).is_valid_syntax(term, value))


vars(_UNTIL_NEEDED).update(is_valid_syntax=_is_valid_syntax)
sys.modules[_UNTIL_NEEDED.__name__] = _UNTIL_NEEDED


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
