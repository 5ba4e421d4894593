"""Building: a planned connector → its image, remembered by the digest of its plan.

How it is planned, assembled, verified and put out is in the modules beside this one.
"""

from collections.abc import Mapping

from airbyte_ci.build import unmet
from airbyte_ci.build.assembly import Workbench
from airbyte_ci.build.planning import Planned
from airbyte_ci.build.summary import Built
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.python import layers

FORMAT_VERSION = 3


def build(planned: Planned, bench: Workbench) -> Built:
    """The plan's image: as it was made before, or made now. Raises an AirbyteCiError that says which step failed."""
    plan, assembly = planned.plan, planned.assembly
    digest = bench.store.put(plan.text)
    key = action_key("image", FORMAT_VERSION, str(digest))
    known = _known(planned, bench.store, key)
    cached = known is not None
    installed = None
    if plan.packages:
        installed = assembly.known if known else assembly.installed
    lacking = unmet.confirm(planned, installed) if installed else ()
    if known is None:
        known = assembly.image(plan), assembly.absent(plan)
        bench.store.remember(key, {"manifest": str(known[0].digest), "absent": known[1]})
    image, absent = known
    return Built(
        plan.repository,
        str(plan.platform),
        str(plan.base),
        str(digest),
        str(image.digest),
        tuple(map(str, image.config.diff_ids)),
        len(assembly.ground.base.image.manifest.layers),
        len(plan.packages),
        len(plan.pre.operations) + len(plan.post.operations),
        layers.replaced(plan.packages, assembly.ground.python),
        installed.collisions if installed else (),
        (str(plan.base), *(str(source) for source in assembly.sources)),
        tuple(sorted(map(str, bench.folders))),
        installed.fresh if installed else 0,
        cached,
        absent,
        lacking,
        installed.repaired if installed else (),
    )


def _known(planned: Planned, store: Store, key: Digest) -> tuple[Image, Mapping[str, str]] | None:
    """The image that this plan gave before, if its layers above the base's are where they can be had; what it lacks."""
    known = store.recall(key)
    if known is None or not store.has(digest := Digest.parse(known["manifest"])):
        return None
    image = store.image(digest)
    base_layers = len(planned.assembly.ground.base.image.manifest.layers)
    missing = {layer.digest for layer in image.manifest.layers[base_layers:] if not store.has(layer.digest)}
    if missing and (installed := planned.assembly.known) and planned.assembly.sources:
        missing -= {layer.descriptor.digest for layer in installed.layers}
    return None if missing else (image, dict(known["absent"]))
