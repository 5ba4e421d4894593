"""The guide for connector developers: every command of it, and what it prints."""

from pathlib import Path

import pytest

from tests.e2e import console
from tests.e2e.conftest import PROJECT

pytestmark = pytest.mark.slow


def test_the_guide_is_true(cataloged: Path, home: Path) -> None:
    """Its commands, run in order, print the documented output. With UPDATE_DOCS set, it is written again."""
    console.follow(PROJECT / "docs/guide.md", cataloged, home)
