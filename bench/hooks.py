"""Hooks against times that a person does not notice: a module's conversation, and one command in a warm base."""

import itertools
import sys
import tempfile
import time
from pathlib import Path

from timing import Measure, Result

from airbyte_ci.container.api import Exec, SetLabel
from airbyte_ci.container.evaluate import Evaluator
from airbyte_ci.container.hooks import MODULE, Conversation
from airbyte_ci.oci.image import ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store import Store

ROUNDS = 11
_HOOK = """
async def pre_connector_install(c):
    return c.with_env_variable("A", "1").with_new_file("/etc/a", "a").with_label("b", "c")

async def post_connector_install(c):
    return await c.with_env_variable("D", "e")
"""


def module() -> Result:
    """Both hooks of a module that asks for nothing, from the start of its process to its end."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / MODULE
        place.write_text(_HOOK)

        def once() -> float:
            started = time.perf_counter()
            with Conversation(place, {}) as talk:
                for hook in ("pre_connector_install", "post_connector_install"):
                    talk.call(hook, lambda question: question)
            return time.perf_counter() - started

        return _median(once), 0.150


def command() -> Result:
    """`with_exec(["true"])`, never run before, on a base that is unpacked: with its network and its empty layer."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.container.conftest import image_entries

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


def _median(once: object) -> float:
    assert callable(once)
    once()
    return float(sorted(once() for _ in range(ROUNDS))[ROUNDS // 2])


MEASURES = (
    Measure("a hook of variables and files ÷ 150 ms", 1, module),
    Measure("with_exec(['true']) on a warm base ÷ 120 ms", 1, command),
)
