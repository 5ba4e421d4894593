"""Builds from an existing plan: checks that it can be built here, and stores what it names by digest.

Hooks do not run again: the plan contains their operations, and the results of commands that used the network.
"""

from airbyte_ci.connectors import customization
from airbyte_ci.dagger import Exec
from airbyte_ci.errors import PlanError
from airbyte_ci.hooks.declared import kept_files
from airbyte_ci.images import planning
from airbyte_ci.images.distribution import AddDistribution
from airbyte_ci.images.evaluation import Evaluation
from airbyte_ci.images.plan import BuildPlan, Impure
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.packages.lock import FromIndex, LockedPackage
from airbyte_ci.python.sources import trees

_ADVICE = "check out the commit for which the plan was created"


def prepare(plan: BuildPlan, evaluation: Evaluation, *, again: bool = False) -> None:
    """Checks that base and code are the plan's; raises PlanError.

    Commands that used the network do not run if the store has their layer, unless `again` is set.
    """
    base = evaluation.base
    if base.image.digest != plan.base_manifest:
        raise _refused(plan, f"{plan.base} is not the base image that the plan names")
    if plan.python is not None and base.python.interpreter.version != plan.python:
        raise _refused(plan, f"the base has Python {base.python.interpreter.version}")
    if isinstance(plan.code, AddDistribution):
        evaluation.distribution.confirm(plan.code)
    else:
        evaluation.code(evaluation.evaluator, (), plan.code)
    _obtain(plan, evaluation)
    _keep(plan, evaluation)
    for item in plan.impure if not again else ():
        evaluation.evaluator.give(plan.operations[: item.operation + 1], item.layer)


def confirm_impure(plan: BuildPlan, evaluation: Evaluation) -> None:
    """Raises PlanError if a command had to run again and its result differs."""
    found = [Impure(place, layer) for place, layer in evaluation.evaluator.impure(plan.operations)]
    for item in plan.impure:
        if item not in found:
            command = plan.operations[item.operation]
            shown = " ".join(command.arguments) if isinstance(command, Exec) else "a command"
            named = f"layer {item.layer.descriptor.digest.short}" if item.layer else "no layer"
            raise _refused(
                plan,
                f"{shown!r} created {named} when the plan was created, and now creates something else",
                "use a store that has this layer, or create a new plan",
            )


def _refused(plan: BuildPlan, reason: str, advice: str | None = None) -> PlanError:
    return PlanError(f"cannot build the plan of {plan.name}: {reason}", advice=advice)


def _obtain(plan: BuildPlan, evaluation: Evaluation) -> None:
    """Fetches the plan's folders, commits and files, exactly those that it names by digest."""
    tools, folder = evaluation.tools, evaluation.connector.folder
    for choice in plan.packages:
        if isinstance(choice.origin, FromIndex) or tools.store.has(Digest(choice.file.sha256)):
            continue
        package = LockedPackage(choice.name, choice.version, (choice.file,), origin=choice.origin)
        if trees.obtain(package, folder, tools.store, tools.index) != choice.file:
            raise _refused(plan, f"{choice.name} differs from the plan", _ADVICE)


def _keep(plan: BuildPlan, evaluation: Evaluation) -> None:
    """Stores the declaration's files, exactly those that the plan names by digest."""
    store = evaluation.tools.store
    named = {Digest(digest) for digest in kept_files(plan.operations)}
    if all(store.has(digest) for digest in named):
        return
    planning.read_declaration(evaluation.connector, evaluation.base.image, store)
    if not all(store.has(digest) for digest in named):
        raise _refused(plan, f"a file that {customization.FILE} names differs from the plan", _ADVICE)
