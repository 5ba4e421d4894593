"""The effect of a connector's customization on its image: computed once per plan, and stored with the image.

Knows where effects are stored, not how they are shown.
"""

from airbyte_ci.dagger import Operation
from airbyte_ci.images import effects
from airbyte_ci.images.evaluation import Evaluation
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.recipe import effect as changes
from airbyte_ci.recipe.effect import Effect
from airbyte_ci.rootfs.tree import Tree


def record(plan: BuildPlan, evaluation: Evaluation) -> None:
    """Stores the effect of the customization under its plan, if it is new.

    Commands do not run again; raises an AirbyteCiError if a required layer is missing.
    """
    store = evaluation.tools.store
    if effects.of_plan(store, plan.digest) is None:
        effects.keep(store, plan.digest, _find(plan, evaluation).to_json())


def _find(plan: BuildPlan, evaluation: Evaluation) -> Effect:
    """Returns the changes of the hooks' operations, each part compared with the state below it."""
    found = _between(evaluation, (), plan.before)
    if plan.after:
        below = plan.operations[: -len(plan.after)]
        found = found.followed_by(_between(evaluation, below, plan.operations))
    return found


def _between(evaluation: Evaluation, first: tuple[Operation, ...], second: tuple[Operation, ...]) -> Effect:
    """Returns the difference between two prefixes of a recipe."""
    evaluator = evaluation.evaluator
    before, after = evaluator.state(first), evaluator.state(second)
    makes_files = any(step.layer for step in after.steps[len(before.steps) :])
    # Without written files there is no difference, and the base's layers may stay in a registry.
    tree = evaluator.tree(before) if makes_files else Tree(())
    return changes.between(evaluation.tools.store, tree, before, after)
