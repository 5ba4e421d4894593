"""Builds the image of a plan from a store that has its inputs, without the connector's folder.

`given` builds a plan next to the connector's files; this module needs only what a publisher attaches to an image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.dagger import Operation
from airbyte_ci.errors import PlanError
from airbyte_ci.images import build
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.distribution import AddDistribution, add_layers
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import Installer, InstallPackages
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.python.packages.lock import FromIndex, LockedPackage
from airbyte_ci.python.sources import trees
from airbyte_ci.recipe.evaluate import Evaluator, Handler
from airbyte_ci.recipe.state import AddedLayer

# No connector is here, so nothing is relative to its folder.
_NO_FOLDER = Path("/nonexistent")


@dataclass(frozen=True, slots=True)
class _KeptLayers:
    """Handles `AddCode` with layers of the store, by diffID."""

    plan: BuildPlan
    layers: Mapping[Digest, Layer]

    def __call__(self, _: Evaluator, _before: Sequence[Operation], operation: Operation) -> tuple[AddedLayer, ...]:
        assert isinstance(operation, AddCode)
        layer = self.layers.get(operation.layer)
        if layer is None:
            raise _missing(self.plan, f"layer {operation.layer.short} with the connector's code")
        return (AddedLayer(layer, "copy the connector's code"),)


@dataclass(frozen=True, slots=True)
class _KeptFiles:
    """Handles `AddDistribution` with files of the store."""

    plan: BuildPlan
    store: Store

    def __call__(self, _: Evaluator, _before: Sequence[Operation], operation: Operation) -> tuple[AddedLayer, ...]:
        assert isinstance(operation, AddDistribution)
        for file in operation.files:
            if not self.store.has(Digest(file.sha256)):
                raise _missing(self.plan, f"file /{operation.folder}/{file.path} with sha256:{file.sha256[:12]}…")
        return add_layers(self.store, operation)


def replay(plan: BuildPlan, tools: Tools, base: Base, layers: Mapping[Digest, Layer]) -> Image:
    """Returns the image of a plan; raises PlanError that names a missing input, and the errors of every build.

    `layers` are those that the plan names by diffID: the code, and the results of commands that used the network.
    """
    _obtain(plan, tools)
    _confirm_base(plan, base)
    installer = Installer(base, tools)
    handlers: dict[type[Operation], Handler] = {
        InstallPackages: installer,
        AddCode: _KeptLayers(plan, layers),
        AddDistribution: _KeptFiles(plan, tools.store),
    }
    evaluator = Evaluator(tools.store, base.image, bring=base.bring, handlers=handlers)
    for item in plan.impure:
        if item.layer and item.layer.diff_id not in layers:
            raise _missing(plan, f"layer {item.layer.diff_id.short} of a command that used the network")
        evaluator.give(plan.operations[: item.operation + 1], layers[item.layer.diff_id] if item.layer else None)
    return build.finish(plan, evaluator, base, tools.store)


def _confirm_base(plan: BuildPlan, base: Base) -> None:
    if base.image.digest != plan.base_manifest:
        raise PlanError(f"cannot build the plan of {plan.name} again: {plan.base} is not the base that the plan names")
    if plan.python is not None and base.python.interpreter.version != plan.python:
        found = base.python.interpreter.version
        raise PlanError(f"cannot build the plan of {plan.name} again: its base has Python {found}, not {plan.python}")


def _obtain(plan: BuildPlan, tools: Tools) -> None:
    """Fetches every package first, because the base's Python takes longer: an input that is gone is found at once."""

    def fetch(choice: Choice) -> None:
        if isinstance(choice.origin, FromIndex):
            tools.index.fetch(tools.store, choice.name, choice.file, choice.origin)
            return
        if tools.store.has(Digest(choice.file.sha256)):
            return
        package = LockedPackage(choice.name, choice.version, (choice.file,), origin=choice.origin)
        if trees.obtain(package, _NO_FOLDER, tools.store, tools.index) != choice.file:
            raise _missing(plan, f"source of {choice.name}")

    if plan.packages:
        tools.say(f"fetching {len(plan.packages)} packages")
        list(tools.executor.map(fetch, plan.packages))


def _missing(plan: BuildPlan, what: str) -> PlanError:
    return PlanError(
        f"cannot build the plan of {plan.name} again: the {what} was not published",
        advice="publish the version again from the commit of its provenance",
    )
