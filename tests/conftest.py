"""What holds for all tests."""

import os

from hypothesis import settings

# A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables have their full width: the width of whoever runs the tests must not show.
os.environ.pop("COLUMNS", None)
