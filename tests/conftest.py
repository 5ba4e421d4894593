"""Fixtures and settings of all tests."""

import os

from hypothesis import settings

# The small image that tests of several rooms share.
pytest_plugins = ("tests.small_image",)

# A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables have their full width, independent of the user's terminal.
os.environ.pop("COLUMNS", None)
