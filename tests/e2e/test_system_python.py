"""A base whose Python is the system's own: what came with the system lies where packages do not go."""

import json

import pytest

from airbyte_ci.oci import tar
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from tests.e2e.tiny import Tiny, derived

pytestmark = pytest.mark.slow

PLACE = "usr/lib/python3/dist-packages"
# The demo's base has a virtual environment in /usr/local; without it, its Python is Debian's.
VENV = ("usr/local/bin/python", "usr/local/bin/python3", "usr/local/bin/python3.11", "usr/local/pyvenv.cfg")
ASK = """
import importlib.metadata, json, tinydep
found = [[item.name, item.version] for item in importlib.metadata.distributions() if item.name in ("tinydep", "other")]
print(json.dumps([sorted(found), tinydep.__file__]))
"""


def _installed(name: str, *records: str) -> list[Entry]:
    """A distribution as Debian has it, version 0.5."""
    info = f"{PLACE}/{name}-0.5.dist-info"
    files = {
        f"{PLACE}/{name}/__init__.py": "VERSION = '0.5'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.5\n",
        f"{info}/top_level.txt": f"{name}\n",
        **{f"{info}/RECORD": "".join(f"{record},,\n" for record in records) for _ in records[:1]},
    }
    return [Entry(path=path, mode=0o644, content=text.encode()) for path, text in files.items()]


@pytest.mark.parametrize(
    "records",
    [(), ("tinydep/__init__.py", "tinydep-0.5.dist-info/METADATA", "tinydep-0.5.dist-info/RECORD")],
    ids=["without a list of files", "with one"],
)
def test_what_the_system_installed_is_replaced(tiny: Tiny, store: Store, records: tuple[str, ...]) -> None:
    """Each distribution exists once, at the lock's version; unlocked ones are unchanged."""
    entries = [*_installed("tinydep", *records), *_installed("other"), *map(tar.whiteout, VENV)]
    tiny.base = derived(store, tiny.base, *tar.sorted_entries(entries), tag="system")
    tiny.add("source-system")
    asked = tiny.run("--json", "connectors", "--name=source-system", "environment")
    assert asked.code == 0, asked.err
    assert {item["name"]: item["replaces"] for item in json.loads(asked.out)} == {"bigdep": None, "tinydep": "0.5"}
    built = tiny.build("--no-verify", name="source-system")
    assert built.code == 0, built.err
    run = ("connectors", "--name=source-system", "run", "--shell", "--", "-c", 'python3 -c "$0"')
    said = tiny.run(*run, ASK)
    assert said.code == 0, said.err
    found, place = json.loads(said.out)
    assert found == [["other", "0.5"], ["tinydep", "1.0"]]
    assert not place.startswith(f"/{PLACE}")
