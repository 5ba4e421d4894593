"""Hooks against times that a person does not notice: a module's conversation, and one command in a warm base.

And against builds without them: a build in which nothing changed, and a command that runs again after a collection.
"""

import atexit
import contextlib
import functools
import itertools
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from timing import Measure, Result, medians, seconds

from airbyte_ci.dagger import Exec, Question, SetLabel
from airbyte_ci.hooks.conversation import MODULE, Conversation
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, ImageConfig, Index, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store import collect
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.evaluate import Evaluator

PROJECT = Path(__file__).resolve().parents[1]
NAME = "source-tides"
APT = Exec(("sh", "-c", "apt-get update && apt-get install -y --no-install-recommends jq"))
ROUNDS = 11
_HOOK = """
async def pre_connector_install(c):
    return c.with_env_variable("A", "1").with_new_file("/etc/a", "a").with_label("b", "c")

async def post_connector_install(c):
    return await c.with_env_variable("D", "e")
"""


def module() -> Result:
    """Both hooks of a module without questions, from the start of its process to its end."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / MODULE
        place.write_text(_HOOK)

        def once() -> float:
            started = time.perf_counter()
            with Conversation(module=place, passed={}) as talk:
                for hook in ("pre_connector_install", "post_connector_install"):
                    talk.call(hook, lambda question: question)
            return time.perf_counter() - started

        return _median(once), 0.150


def command() -> Result:
    """`with_exec(["true"])`, never run before, on a base that is unpacked: with its network and its empty layer."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.small_image import image_entries

    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name) / "store")
        layer = layer_of(store, image_entries())
        config = ImageConfig.make(
            {
                "os": "linux",
                "architecture": "amd64",
                "config": {"Env": ["PATH=/bin"]},
                "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id)]},
            }
        )
        image = store.put_image(Manifest.make(config.descriptor, (layer.descriptor,), {}), config)
        numbers = itertools.count()

        def once() -> float:
            operations = (SetLabel("number", str(next(numbers))), Exec(("true",)))
            started = time.perf_counter()
            Evaluator(store, image).image(operations, {})
            return time.perf_counter() - started

        return _median(once), 0.120


@functools.cache
def _folder() -> Path:
    """A store with the demo's base image, and one connector on it twice: in `plain`, and in `apt` with a hook."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    shutil.copytree(PROJECT / "examples/fleet", folder / "plain")
    _run(folder, "plain", "base-images", "build", "--root", "debian")
    _run(folder, "plain", "connectors", f"--name={NAME}", "migrate_to_base_image", "1")
    shutil.copytree(folder / "plain", folder / "apt")
    module = folder / "apt/airbyte-integrations/connectors" / NAME / MODULE
    module.write_text(f"async def pre_connector_install(c):\n    return c.with_exec({list(APT.arguments)!r})\n")
    return folder


def _run(folder: Path, repository: str, *arguments: str) -> float:
    command = (sys.executable, "-m", "airbyte_ci", *arguments)
    return seconds(command, folder / repository, {"AIRBYTE_CI_HOME": str(folder / "home")})


def nothing_changed() -> Result:
    """Whole processes, alternating: a second `build` with the hook, and one without."""
    folder = _folder()

    def once(repository: str) -> float:
        return _run(folder, repository, "connectors", f"--name={NAME}", "build")

    return medians(lambda: once("apt"), lambda: once("plain"), ROUNDS)


def collected() -> Result:
    """Packages that apt fetches where the command's layer was collected, and where it ran first; in kB, not seconds."""
    folder = _folder()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        shutil.copytree(folder / "home" / "blobs", Path(name) / "blobs")
        store, base = Store(Path(name)), _base(Store(folder / "home"))
        first = _fetched(store, base)
        # The command alone was not used for long: its memory, its files and its layer.
        long_ago = time.time() - 86400
        for place in (*_below(store, "actions"), *(store.root / "snapshots").glob("exec-*")):
            os.utime(place, (long_ago, long_ago))
        os.utime(store.path(_layer(store, base)), (long_ago, long_ago))
        collect.collect(store, collect.Policy(older_than=3600))
        assert not list((store.root / "snapshots").glob("exec-*"))
        return _fetched(store, base) / 1000, first / 1000


def _base(store: Store) -> Image:
    name = next(item for item in store.names() if item.startswith("localhost/") and "inputs-" not in item)
    entry = store.resolve(name)
    assert entry
    manifest = store.manifest(entry.digest)
    return store.image(manifest.manifests[0].digest if isinstance(manifest, Index) else entry.digest)


def _below(store: Store, folder: str) -> list[Path]:
    return [place for place in (store.root / folder).rglob("*") if place.is_file()]


def _layer(store: Store, base: Image) -> Digest:
    layer = Evaluator(store, base).state((APT,)).steps[-1].layer
    assert layer
    return layer.descriptor.digest


def _fetched(store: Store, base: Image) -> float:
    """How many kB of packages a run of the command fetches, as apt sums them up; the lists come before them."""
    printed = Evaluator(store, base).answer((), Question("stdout", (APT,)))
    _, *sums = re.findall(r"^Fetched ([\d.,]+) ([kM]?B) in", printed, re.MULTILINE)
    return sum(float(size.replace(",", "")) * {"B": 0.001, "kB": 1, "MB": 1000}[unit] for size, unit in sums)


def _median(once: object) -> float:
    assert callable(once)
    once()
    return float(sorted(once() for _ in range(ROUNDS))[ROUNDS // 2])


MEASURES = (
    Measure("a hook of variables and files ÷ 150 ms", 1, module),
    # They do the same work: the tenth is for a machine on which others work too.
    Measure("no-change build, apt hook ÷ without", 1.1, nothing_changed),
    Measure("apt hook again after a collection ÷ first, kB of packages", 0.01, collected),
    Measure("with_exec(['true']) on a warm base ÷ 120 ms", 1, command),
)
