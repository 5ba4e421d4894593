"""Building: connector → BuildPlan → image for one platform, verified. Outputs and their names are elsewhere.

The order is the original's: base, pre hook, environment, code, entrypoint and labels, post hook.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from airbyte_ci.build import base as bases
from airbyte_ci.build import lockfile, source
from airbyte_ci.build.plan import BuildPlan
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container import hooks
from airbyte_ci.container.api import (
    Operation,
    Question,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetVariable,
    SetWorkdir,
)
from airbyte_ci.container.evaluate import Evaluator, add_layer
from airbyte_ci.container.hooks import Conversation, HookRecord
from airbyte_ci.errors import HookError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Platform, canonical_json
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import environment, inventory, layers
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.inventory import Inventory

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Workbench:
    """What builds need beside the connector. `passed` are variables that hooks may see; `say` tells progress."""

    store: Store
    index: PackageIndex
    pull: bases.Pull
    executor: Executor
    passed: Mapping[str, str]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """A built image and how it came about. `seconds` is wall time."""

    plan: BuildPlan
    image: Image
    cached: bool
    seconds: float
    new_packages: int
    replaced: tuple[tuple[str, str, str], ...]
    collisions: Mapping[str, str]


def build(connector: Connector, bench: Workbench, platform: Platform, override: str | None = None) -> Built:
    """The connector's image, in the store; raises an AirbyteCiError that says which step failed and why."""
    started = time.monotonic()
    address = bases.address(connector, override)
    base = bases.resolve(bench.store, address, platform, bench.pull)
    evaluator = Evaluator(bench.store, base.image)
    python = inventory.of(bench.store, base.image)
    with hooks.conversation(connector.folder / hooks.MODULE, bench.passed) as hook:
        _refuse_idle(hook, connector)
        bench.say("pre hook" if hook else "planning")
        pre = _call(hook, "pre_connector_install", evaluator, ())
        installed, operations = _install(connector, bench, python, evaluator, pre.operations)
        code = layer_of(bench.store, source.entries(connector, _main_file(hook)))
        operations += (add_layer(code, "copy the connector's code"), *_run_settings(connector, _main_file(hook)))
        post = _call(hook, "post_connector_install", evaluator, operations)
    plan = BuildPlan(
        connector.name,
        connector.image_repository,
        connector.version,
        platform,
        address,
        base.image,
        python.interpreter,
        tuple(installed.to_json()),
        code.diff_id,
        bench.passed if hook else {},
        pre,
        post,
        (*operations, *post.operations),
    )
    image, cached = _evaluate(plan, bench.store, evaluator)
    return Built(
        plan,
        image,
        cached,
        time.monotonic() - started,
        sum(package.fresh for package in installed.packages),
        layers.replaced(installed, python),
        installed.collisions,
    )


def _install(
    connector: Connector,
    bench: Workbench,
    python: Inventory,
    evaluator: Evaluator,
    before: tuple[Operation, ...],
) -> tuple[environment.Environment, tuple[Operation, ...]]:
    """The environment, and the operations so far with its layers on top."""
    lock = lockfile.select(connector, python.interpreter, bench.store, bench.index)
    workshop = environment.Workshop(
        bench.store,
        bench.index,
        lambda: evaluator.tree(evaluator.state(before)),
        python.interpreter,
        bench.executor,
        bench.say,
    )
    bench.say("environment")
    installed = environment.prepare(lock, workshop)
    return installed, (*before, *layers.operations(bench.store, installed, python))


def _run_settings(connector: Connector, main_file: str) -> tuple[Operation, ...]:
    """How the original's images run: working directory, entrypoint, and the variable that Airbyte reads."""
    command = ("python", f"/{source.CODE}/{main_file}")
    return (
        SetWorkdir(f"/{source.CODE}"),
        SetVariable("AIRBYTE_ENTRYPOINT", " ".join(command)),
        SetEntrypoint(command),
        SetDefaultArguments(()),
        SetLabel("io.airbyte.version", connector.version),
        SetLabel("io.airbyte.name", connector.image_repository),
    )


def _evaluate(plan: BuildPlan, store: Store, evaluator: Evaluator) -> tuple[Image, bool]:
    key = action_key("image", FORMAT_VERSION, plan.to_json())
    if known := store.recall(key):
        digest = Digest.parse(known["manifest"])
        if store.has(digest):
            image = store.image(digest)
            if store.holds(image):
                return image, True
    image = evaluator.image(plan.operations, plan.annotations)
    store.put(canonical_json(plan.to_json()))
    store.remember(key, {"manifest": str(image.digest)})
    return image, False


# --- hooks ---------------------------------------------------------------------------------------


def _call(
    hook: Conversation | None, name: hooks.HookName, evaluator: Evaluator, before: tuple[Operation, ...]
) -> HookRecord:
    if hook is None:
        return HookRecord()

    def answer(question: Question) -> object:
        return evaluator.answer(before, question)

    return hook.call(name, answer)


def _refuse_idle(hook: Conversation | None, connector: Connector) -> None:
    """A module from which nothing is called is a mistake that would otherwise stay unseen."""
    if hook and not hook.hooks and hook.main_file is None:
        raise HookError(
            f"{connector.relative}/{hooks.MODULE} defines neither pre_connector_install nor post_connector_install",
            advice="rename its functions, or delete the file",
        )


def _main_file(hook: Conversation | None) -> str:
    return (hook.main_file if hook else None) or source.DEFAULT_MAIN
