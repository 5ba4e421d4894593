"""Builds a published image again from what was published alone, in an empty store, and compares the digests.

Nothing of this machine's store is used: not its layers, not its downloads, not its memory. The inputs are the plan and
the files that are attached to the image, the base's layers in the image's own repository, and packages from the index.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from airbyte_ci.attest.build_inputs import BASE_CONFIG, BASE_MANIFEST, DIFF_ID, TITLE
from airbyte_ci.attest.verification import contents, differences
from airbyte_ci.attest.verification.published import PublishedImage, PublishedRelease
from airbyte_ci.errors import DigestMismatch, ImageError, PlanError
from airbyte_ci.images import base as bases
from airbyte_ci.images import replay
from airbyte_ci.images.distribution import AddDistribution
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.image import Descriptor, Image, Platform
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.rootfs.archive import Stream, open_layer


def rebuild(published: PublishedRelease, item: PublishedImage, tools: Tools, native: Platform) -> None:
    """Raises ImageError that names the first differing layer and file unless a second build gives the same image."""
    attached = contents.find_plan(item.image, item.evidence)
    plan = BuildPlan.parse(attached.content, f"build plan {attached.digest.short}")
    with tools.store.scratch() as folder:
        # Whether the base is signed does not matter for this comparison.
        empty = replace(tools, store=Store(folder / "store"), confirm_base=None)
        layers = _fetch(published, attached.inputs, empty)
        _fetch_bases(published, empty)
        base = bases.open_base(empty, plan.base, plan.platform, native, (published.of(item.image.digest),))
        if isinstance(plan.code, AddDistribution):
            _take_files(plan.code, item.image, published, empty, len(base.image.layers))
        tools.say(f"building {item.name} again")
        second = replay.replay(plan, empty, base, layers)
        if second.digest != item.image.digest:
            raise ImageError(
                f"built again, it is another image: {differences.describe(published, item.image, second, empty)}",
                error_id="rebuild-differs",
            )


def _fetch(published: PublishedRelease, inputs: Sequence[Descriptor], tools: Tools) -> Mapping[Digest, Layer]:
    """Fetches the attached inputs; returns the layers among them by their verified diffIDs."""
    found: dict[Digest, Layer] = {}
    place = published.of(published.digest)
    for item in inputs:
        tools.registries.pull_blob(place, item, tools.store)
        if diff_id := item.annotations.get(DIFF_ID):
            named = Digest.parse(diff_id)
            _confirm_diff_id(tools.store, item, named)
            found[named] = Layer(Descriptor(item.media_type, item.digest, item.size), named)
    return found


def _fetch_bases(published: PublishedRelease, tools: Tools) -> None:
    """Fetches the base's manifests for all platforms: images for other machines also need this machine's base."""
    place = published.of(published.digest)
    for item in published.images:
        for described in (one for plan in item.evidence.plans for one in plan.inputs):
            if described.annotations.get(TITLE, "") in (BASE_MANIFEST, BASE_CONFIG):
                tools.registries.pull_blob(place, described, tools.store)


def _confirm_diff_id(store: Store, layer: Descriptor, diff_id: Digest) -> None:
    with store.path(layer.digest).open("rb") as blob, Stream(blob) as stream:
        found = Digest(stream.digest())
    if found != diff_id:
        raise DigestMismatch(
            f"the attached layer {layer.digest.short} has the diffID {found.short}, not {diff_id.short}"
        )


def _take_files(
    code: AddDistribution, image: Image, published: PublishedRelease, tools: Tools, base_layers: int
) -> None:
    """Copies the distribution's files from the layers above the base; raises PlanError if one differs from the plan."""
    wanted = {f"{code.folder}/{file.path}": Digest(file.sha256) for file in code.files}
    place = published.of(image.digest)
    different: dict[str, int] = {}
    for number, (layer, diff_id) in enumerate(image.layers[base_layers:], base_layers):
        tools.registries.pull_blob(place, layer, tools.store)
        for path, content in _files(tools.store, layer, diff_id, wanted):
            if tools.store.put(content) != wanted[path]:
                different[path] = number
    for path, number in different.items():
        raise PlanError(f"layer {number}: /{path} has different contents than the plan names")


def _files(store: Store, layer: Descriptor, diff_id: Digest, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    with open_layer(store, layer, diff_id) as stream:
        for member in stream.entries():
            if member.isreg() and member.name in wanted:
                yield member.name, b"".join(chunks(stream.extract(member)))
