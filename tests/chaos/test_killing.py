"""A small dose of what `make chaos` does at length."""

from pathlib import Path

import pytest

from tests.chaos.killing import kill

pytestmark = pytest.mark.slow


def test_a_store_is_whole_after_kills_at_random_moments(tmp_path: Path) -> None:
    """Writers and collectors are killed 60 times; no blob, action or named image is damaged."""
    assert kill(tmp_path / "store", 60, seed=1) == 0
