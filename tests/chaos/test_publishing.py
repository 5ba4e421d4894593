"""A small dose of the kills of `make chaos`."""

from pathlib import Path

import pytest

from airbyte_ci.testing.docker_registry import docker_registry
from tests.chaos.publishing import kill
from tests.e2e.conftest import Base, base, home, tiny
from tests.e2e.tiny import Tiny
from tests.publish.releasing import Releasing

__all__ = ["base", "home", "tiny"]

pytestmark = pytest.mark.slow


def test_a_killed_publication_leaves_no_tag_incomplete(tiny: Tiny, base: Base, tmp_path: Path) -> None:
    """After each kill every tag is complete, and the next run ends with the release of an uninterrupted one."""
    with docker_registry(tmp_path / "registry") as host:
        releasing = Releasing(tiny, f"{host}/chaos")
        releasing.describe(base.address)
        releasing.commit("first")
        assert kill(releasing, 6, seed=7) == []
