"""Images of the examples, inspected: they contain what poetry selected for the lock (by the table)."""

import json
from pathlib import Path

import pytest

from airbyte_ci.oci.store.store import Store
from tests.e2e.conftest import PROJECT, Base, airbyte_ci
from tests.oracles import images, plans

CONNECTORS = PROJECT / "examples" / "fleet" / "airbyte-integrations" / "connectors"
NAMES = ("destination-jsonl-archive", "source-parcels")
TARGET = "3.11.2", "x86_64"  # the demo's base


@pytest.mark.slow
def test_an_image_has_the_lock_and_the_rest_of_its_base(base: Base, home: Path, tmp_path: Path) -> None:
    """Each distribution once, the lock's at its version, otherwise the base's; pip complains only about the base's."""
    fleet = images.fleet_of([CONNECTORS / name for name in NAMES], tmp_path / "fleet")
    wanted = [f"--name={name}" for name in NAMES]
    build = ("build", "--no-verify", "--tag", "oracle", "--base-image", base.address)
    built = airbyte_ci("--json", "connectors", *wanted, *build, cwd=fleet, home=home)
    assert built.code == 0, built.err
    assert len(built.out.splitlines()) == len(NAMES)
    store = Store(home)
    bare = images.look(store, images.base_image(store, base.address))
    for outcome in map(json.loads, built.out.splitlines()):
        folder = CONNECTORS / outcome["name"]
        lock, project = ((folder / name).read_text("utf-8") for name in ("poetry.lock", "pyproject.toml"))
        plan = plans.ours(lock, project, plans.interpreter(TARGET), folder.name)
        assert plans.row(folder.name, " ".join(TARGET), plan) in plans.TABLE.read_text().splitlines()
        locked = {item[0]: item[1] for item in plan}
        seen = images.look(store, images.image_of(store, folder))
        assert images.wrong(seen, bare, locked) == []
        assert {images.explained(line, locked) for line in seen.complaints} <= {"base"}
