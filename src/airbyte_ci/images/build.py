"""Building: a plan → its image, cached by the digest of the plan.

The modules next to this one implement planning, verification and outputs.
"""

from collections.abc import Mapping
from pathlib import Path

from airbyte_ci.errors import ImageError
from airbyte_ci.images import given, needed, planning, unmet
from airbyte_ci.images.distribution import AddDistribution, find_newer_source
from airbyte_ci.images.evaluation import Evaluation
from airbyte_ci.images.order import Order
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import Built, image_key
from airbyte_ci.oci import recompress
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import layers
from airbyte_ci.python.environment.layers import Installed
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.recipe.evaluate import Evaluator

# The maximum of Docker's layer store; containerd alone accepts a few more.
MOST_LAYERS = 125


def build(plan: BuildPlan, evaluation: Evaluation, order: Order) -> Built:
    """Returns the plan's image, cached or built now. Raises an AirbyteCiError that names the failed step."""
    store, installer, base = evaluation.tools.store, evaluation.installer, evaluation.base
    digest = store.put(plan.text)
    key = image_key(digest)
    known = _recall(plan, evaluation, store, key)
    cached = known is not None
    installed = None
    if plan.install and plan.packages:
        find = installer.known if known else installer.installed
        installed = find(evaluation.evaluator, plan.before, plan.install)
    is_replaced = order.framework is not None
    lacking = unmet.confirm(plan, evaluation, installed, order.rules, is_replaced=is_replaced) if installed else ()
    if known is None:
        if order.plan:
            given.confirm_impure(plan, evaluation)
        known = evaluate(plan, evaluation), needed.absent(plan, evaluation, installed)
        store.remember(key, {"manifest": str(known[0].digest), "absent": known[1]})
    image, absent = known
    return Built(
        repository=plan.repository,
        platform=str(plan.platform),
        base=str(plan.base),
        plan=str(digest),
        manifest=str(image.digest),
        diff_ids=tuple(map(str, image.config.diff_ids)),
        base_layers=len(base.image.manifest.layers),
        packages=len(plan.packages),
        hook_operations=plan.hook_operations,
        replaced=layers.replaced(plan.packages, base.python) if plan.packages else (),
        collisions=installed.collisions if installed else (),
        sources=(str(plan.base), *(str(source) for source in installer.sources)),
        folders=tuple(sorted(map(str, _folders(plan, evaluation)))),
        fresh=installed.fresh if installed else 0,
        cached=cached,
        absent=absent,
        unmet=lacking,
        repaired=installed.repaired if installed else (),
        jars=_jars(plan),
        warnings=() if order.plan else _warnings(plan, evaluation),
    )


def _folders(plan: BuildPlan, evaluation: Evaluation) -> frozenset[Path]:
    """Returns the folders and files that were read, besides the connector's own folder."""
    given_tar = evaluation.distribution.given
    return planning.folders(evaluation.connector, plan.packages) | ({given_tar.absolute()} if given_tar else set())


def _jars(plan: BuildPlan) -> int:
    if not isinstance(plan.code, AddDistribution):
        return 0
    return sum(item.path.endswith(".jar") for item in plan.code.files)


def _warnings(plan: BuildPlan, evaluation: Evaluation) -> tuple[str, ...]:
    """Warns about a distribution that may lack the current sources."""
    if not isinstance(plan.code, AddDistribution):
        return ()
    reader = evaluation.distribution
    newer = find_newer_source(evaluation.connector, reader.path)
    return (f"{reader.shown} is older than {newer}: build it again with --gradle",) if newer else ()


def evaluate(plan: BuildPlan, evaluation: Evaluation) -> Image:
    """Returns the image of the plan's operations; its layers are in the store, or in a registry."""
    return finish(plan, evaluation.evaluator, evaluation.base, evaluation.tools.store)


def finish(plan: BuildPlan, evaluator: Evaluator, base: Base, store: Store) -> Image:
    """Evaluates all operations of a plan on its base and returns the image with the plan's compression."""
    base_layers = len(base.image.manifest.layers)
    image = evaluator.image(plan.operations, plan.annotations, created=plan.created)
    _confirm_depth(image, base_layers)
    return recompress.zstd(store, image, base_layers) if plan.compression == "zstd" else image


def _confirm_depth(image: Image, base_layers: int) -> None:
    """Raises ImageError for an image with more layers than Docker runs.

    The grouping of layers must not depend on the base, because connectors share them.
    """
    if len(image.layers) > MOST_LAYERS:
        ours = len(image.layers) - base_layers
        raise ImageError(
            f"the image would have {len(image.layers)} layers ({base_layers} from its base, {ours} above it); Docker "
            f"runs images of at most {MOST_LAYERS}",
            advice="use a base image with fewer layers, or combine the commands of a hook",
        )


def _recall(
    plan: BuildPlan, evaluation: Evaluation, store: Store, key: Digest
) -> tuple[Image, Mapping[str, str]] | None:
    """Returns the cached image of this plan if its own layers are available, and the libraries that it lacks."""
    known = store.recall(key)
    if known is None or not store.has(digest := Digest.parse(known["manifest"])):
        return None
    image = store.image(digest)
    base_layers = len(evaluation.base.image.manifest.layers)
    missing = {layer.digest for layer in image.manifest.layers[base_layers:] if not store.has(layer.digest)}
    if missing:
        missing -= {layer.descriptor.digest for layer in _pushed(plan, evaluation).layers}
    return None if missing else (image, dict(known["absent"]))


def _pushed(plan: BuildPlan, evaluation: Evaluation) -> Installed:
    """Returns the environment's layers if a registry has them."""
    installer = evaluation.installer
    found = installer.known(evaluation.evaluator, plan.before, plan.install) if plan.install else None
    return found if found and installer.sources else Installed(layers=(), collisions=())
