"""Shared libraries to which an image's packages are linked, but that the image lacks.

That is not always a fault: a package may try an extension and work without it.
"""

from airbyte_ci.dagger import Operation
from airbyte_ci.images.evaluation import Evaluation
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.environment import libraries
from airbyte_ci.python.environment.layers import Installed
from airbyte_ci.recipe import operations as recipe


def absent(plan: BuildPlan, evaluation: Evaluation, installed: Installed | None) -> dict[str, str]:
    """Returns the libraries that the image lacks, with the packages whose native code is linked to them."""
    store = evaluation.tools.store
    wanted = set(installed.libraries) if installed else set()
    lacking = wanted and wanted - _names(evaluation, plan.before)
    later = any(isinstance(operation, recipe.MAKES_FILES) for operation in plan.after)
    # The post hook adds its files on top of the packages, which stay in place.
    if lacking and later and not evaluation.installer.sources:
        lacking -= _names(evaluation, plan.operations)
    files = [choice.file for choice in plan.packages if lacking and not choice.is_source]
    here = [file for file in files if store.has(Digest(file.sha256))]
    linked = {file.name.partition("-")[0]: libraries.of_wheel(store, file) for file in here}
    return {
        name: ", ".join(sorted(package for package, one in linked.items() if name in one.needed)) or "a package"
        for name in sorted(lacking)
    }


def _names(evaluation: Evaluation, operations: tuple[Operation, ...]) -> frozenset[str]:
    """Returns the shared libraries that the loader finds after some operations, computed once."""
    store, evaluator = evaluation.tools.store, evaluation.evaluator
    state = evaluator.state(operations)
    more = [item for item in state.environment.get("LD_LIBRARY_PATH", "").split(":") if item.startswith("/")]
    layers = [*state.base.config.diff_ids, *(step.layer.diff_id for step in state.steps if step.layer)]
    known = store.reuse(
        "libraries of an image",
        libraries.FORMAT_VERSION,
        {"below": list(map(str, layers)), "more": more},
        lambda: {"names": sorted(libraries.in_image(evaluator.tree(state), more))},
    )
    return frozenset(known["names"])
