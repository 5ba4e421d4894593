"""The effect of a connector's customization on its image: computed once per plan, and stored with the image.

Knows where effects are stored, not how they are shown.
"""

from airbyte_ci.build import effects
from airbyte_ci.build.evaluation import Evaluation
from airbyte_ci.build.plan import BuildPlan
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container import effect as changes
from airbyte_ci.container.api import Operation
from airbyte_ci.container.effect import Effect
from airbyte_ci.container.tree import Tree
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.oci.store import Store, action_key

FORMAT_VERSION = 1


def record(plan: BuildPlan, evaluation: Evaluation) -> None:
    """Stores the effect of the customization under its plan, if it is new, and under the customization's files.

    Commands do not run again; raises an AirbyteCiError if a required layer is missing.
    """
    store = evaluation.tools.store
    if effects.of_plan(store, plan.digest) is None:
        effects.keep(store, plan.digest, _find(plan, evaluation).to_json())
    key = _of_files(evaluation.connector, str(plan.base))
    known = store.recall(key) or {}
    store.remember(key, {**known, str(plan.platform): str(plan.digest)})


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


def of_connector(store: Store, connector: Connector) -> dict[str, Effect]:
    """By platform: the effects of builds of exactly these files of the customization on the connector's base."""
    if not connector.base_image:
        raise ConnectorError(f"{connector.name}: its metadata names no base image")
    known = store.recall(_of_files(connector, str(parse_pinned(connector.base_image)))) or {}
    found = {platform: effects.of_plan(store, Digest.parse(plan)) for platform, plan in sorted(known.items())}
    return {platform: Effect.from_json(item) for platform, item in found.items() if item is not None}


def _of_files(connector: Connector, base: str) -> Digest:
    inputs = {
        "connector": connector.image_repository,
        "files": customization.inputs(connector.folder),
        "base": base,
    }
    return action_key("customization", FORMAT_VERSION, inputs)
