"""Connectors that one command builds at once, or several commands: whatever several of them need is made once."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci import app, config
from airbyte_ci.cli import ending
from airbyte_ci.connectors import find
from airbyte_ci.images import job
from airbyte_ci.images.order import Order
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import ActionKey, Store
from tests.e2e.tiny import Tiny, with_base

pytestmark = pytest.mark.slow
COUNT = 6
NAMES = tuple(f"source-tiny-{number}" for number in range(COUNT))
BACK_END = '[build-system]\nrequires = ["setuptools"]\n[project]\nname = "srcdep"\nversion = "1.0"\n'
HOOK = """
async def post_connector_install(container):
    return await container.with_user("root").with_exec(["sh", "-c", "echo shared > /etc/shared"])
"""
# Notes on results, which every thread that has them writes again.
NOTES = frozenset({"snapshot", "wheels of a layer"})
# The expensive ones, for which processes take turns too.
SHARED = frozenset({"wheel", "bytecode", "standard library sources", "standard library bytecode", "sdist"})
# The command, which also writes the kind and the inputs of each result that the store is given to the file RESULTS.
COUNTED = """
import os, runpy
from airbyte_ci.oci.store.store import Store
remember = Store.remember

def write(store, key, value):
    with open(os.environ["RESULTS"], "ab") as file:
        file.write(key.origin + b"\\n")
    remember(store, key, value)

Store.remember = write
runpy.run_module("airbyte_ci", run_name="__main__", alter_sys=True)
"""


class CountingStore(Store):
    """A store that counts the results that it is given, by their kind and inputs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.given: Counter[str] = Counter()

    def remember(self, key: Digest, value: dict[str, Any]) -> None:
        assert isinstance(key, ActionKey)
        self.given[key.origin.decode()] += 1
        super().remember(key, value)


class _Silent:
    """Reports nothing."""

    def teller(self, _subject: str) -> Callable[[str], None]:
        return lambda _step: None

    def moved(self, subject: str, what: object, done: int, total: int) -> None:
        """Ignores the progress."""


def test_what_connectors_share_is_made_once(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same new wheels, hook command and standard library, each action is done once, and each file fetched once.

    Every connector also has a wheel of its own, so that their environments differ.
    """
    for number, name in enumerate(NAMES):
        folder = tiny.add(name)
        (folder / "build_customization.py").write_text(HOOK)
        own = tiny.wheel(f"own{number}", "1.0", {f"own{number}.py": f"VALUE = {number}\n"})
        tiny.require(tiny.small(), tiny.wheel("shareddep", "1.0", {"shareddep.py": "VALUE = 1\n"}), own, name=name)
    home = with_base(Store(tiny.home), tiny.base, tmp_path / "store")
    for name, value in {**tiny.environment, "AIRBYTE_CI_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)
    tiny.index.asked.clear()
    store = CountingStore(home)
    with (
        ending.deferred_pool(8) as open_pool,
        app.open_app(config.find(tiny.folder), open_pool, _Silent(), offline=False) as opened,
        ending.pool(COUNT) as subjects,
    ):
        order = Order(platforms=(opened.native,), native=opened.native, verify=False)
        connectors = [find.read(tiny.connector(name), tiny.folder) for name in NAMES]
        tools = [replace(opened.tools(name), store=store) for name in NAMES]
        built = list(subjects.map(lambda pair: job.run(pair[0], order, pair[1]), zip(connectors, tools, strict=True)))
    assert len({item[0].facts["digest"] for item in built}) == COUNT
    kinds = Counter(json.loads(origin)["action"] for origin in store.given)
    assert kinds["wheel"] == kinds["bytecode"] == 3 + COUNT
    assert kinds["standard library bytecode"] == 1 and kinds["exec"] >= 1
    repeated = {origin: count for origin, count in store.given.items() if count > 1}
    assert {json.loads(origin)["action"] for origin in repeated} <= NOTES, repeated
    fetched = Counter(tiny.index.asked)
    files = {path: count for path, count in fetched.items() if path.endswith(".whl")}
    assert len(files) == 3 + COUNT and set(files.values()) == {1}, fetched
    # A page is searched for the hash, and again for the address of a file that must be fetched.
    assert max(fetched.values()) <= 2, fetched


def test_what_commands_share_is_made_once(tiny: Tiny, tmp_path: Path) -> None:
    """Of two commands that begin at once with an empty store, each prepares a part of the packages."""
    names, processes = NAMES[:4], []
    source = tiny.sdist("srcdep", "1.0", {"pyproject.toml": BACK_END, "srcdep.py": "VALUE = 1\n"})
    for name in names:
        tiny.add(name)
        tiny.require(tiny.small(), source, name=name)
    home = with_base(Store(tiny.home), tiny.base, tmp_path / "store")
    results = tmp_path / "results"
    tiny.index.asked.clear()
    for part in (names[:2], names[2:]):
        selected = [f"--name={name}" for name in part]
        command = (sys.executable, "-c", COUNTED, "connectors", *selected, "build", "--no-verify")
        environment = {**os.environ, **tiny.environment, "AIRBYTE_CI_HOME": str(home), "RESULTS": str(results)}
        processes.append(subprocess.Popen(command, cwd=tiny.folder, env=environment, stderr=subprocess.PIPE))
    for process in processes:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()
    given = Counter(results.read_text().splitlines())
    kinds = Counter(json.loads(origin)["action"] for origin in given)
    assert kinds.keys() >= SHARED, kinds
    repeated = [origin for origin, count in given.items() if count > 1]
    assert not [origin for origin in repeated if json.loads(origin)["action"] in SHARED], repeated
    fetched = Counter(path for path in tiny.index.asked if path.endswith((".whl", ".tar.gz")))
    assert len(fetched) == 3 and set(fetched.values()) == {1}, fetched
