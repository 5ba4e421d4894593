"""Unmet requirements of an image's packages: an error, unless something can explain them.

poetry and uv lock by the metadata of one file and let a project override it, so their locks may be more accurate than a
wheel. A list of requirements does not know what its packages need. A hook's commands or files may provide packages.
"""

from collections.abc import Sequence

from airbyte_ci.dagger import Copy, Exec
from airbyte_ci.errors import PackageError
from airbyte_ci.images import lockfile
from airbyte_ci.images.evaluation import Evaluation
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.environment import consistency
from airbyte_ci.python.environment.consistency import Unmet
from airbyte_ci.python.environment.layers import Installed

_RECORDING = ("poetry.lock", "uv.lock")


def confirm(
    plan: BuildPlan, evaluation: Evaluation, installed: Installed, rules: Rules, *, is_replaced: bool
) -> tuple[str, ...]:
    """Returns the requirements to report, one text each; raises PackageError if nothing explains a missing one.

    `is_replaced` means that the framework is not the locked one.
    """
    base = {item.name: item.version for item in evaluation.base.python.distributions}
    lacking = {*installed.unmet, *_of_extras(plan, evaluation, rules)}
    found = [item for item in sorted(lacking) if not item.met_by(base)]
    lock = lockfile.kind(evaluation.connector) or ("uv.lock" if lockfile.workspace(evaluation.connector) else None)
    runs = any(isinstance(operation, (Copy, Exec)) for operation in (*plan.before, *plan.after))
    if found and not (lock in _RECORDING or is_replaced or runs):
        raise PackageError(
            f"the lock is incomplete: {_listed(found)}",
            advice=f"create {lock or 'the lock'} again from the connector's requirements, with all dependencies",
            error_id="lock-incomplete",
        )
    return tuple(map(str, found))


def _of_extras(plan: BuildPlan, evaluation: Evaluation, rules: Rules) -> tuple[Unmet, ...]:
    """Returns the unmet requirements of the extras that the connector requests, from the wheels in the store."""
    interpreter = evaluation.base.python.interpreter
    asked = lockfile.asked_extras(evaluation.connector, interpreter, rules)
    if not asked:
        return ()
    store = evaluation.tools.store
    here = [item for item in plan.packages if not item.is_source and store.has(Digest(item.file.sha256))]
    requires = [(item.name, consistency.of_wheel(store, item.file)) for item in here]
    return consistency.unmet(requires, {item.name: item.version for item in plan.packages}, interpreter, asked)


def _listed(found: Sequence[Unmet]) -> str:
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(map(str, found[:3])) + more
