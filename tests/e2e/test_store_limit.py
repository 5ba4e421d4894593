"""A store above its limit is reported once by a command that wrote to it, and pruned by `store gc`."""

from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from tests.e2e.tiny import Tiny, with_base

pytestmark = pytest.mark.slow


def test_a_large_store_is_said_and_pruned(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """One line on stderr with the command; not where nothing was built, and not below the limit."""
    home = with_base(store, tiny.base, tmp_path / "store")
    (tiny.connector() / "more.txt").write_text("")
    small = {"AIRBYTE_CI_STORE_LIMIT": "1MB"}
    built = tiny.build("--no-verify", home=home, env=small)
    assert built.code == 0 and built.err.count("more than its limit of 1 MB → airbyte-ci store gc") == 1, built.err
    assert tiny.build("--no-verify", home=home).err == ""
    pruned = tiny.run("store", "gc", home=home, env=small)
    assert pruned.code == 0 and "the limit is 1 MB" in pruned.out, pruned.out + pruned.err
    assert tiny.run("store", "gc", home=home, env={"AIRBYTE_CI_STORE_LIMIT": "much"}).code == 2
