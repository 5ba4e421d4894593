"""A small dose of the builds that `make chaos` runs at the same time."""

from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from tests.chaos.building import build_at_once
from tests.e2e.conftest import Base, base, home
from tests.e2e.tiny import tiny_fleet, with_base

__all__ = ["base", "home"]

pytestmark = [pytest.mark.slow, pytest.mark.attack]


def test_builds_of_one_connector_do_not_disturb_each_other(tmp_path: Path, home: Path, base: Base) -> None:
    """Six builds at once next to collections all succeed with one digest, and leave a whole store."""
    own = with_base(Store(home), base.address, tmp_path / "store")
    with tiny_fleet(tmp_path, own, base.address) as tiny:
        assert build_at_once(tiny, 1) == []
