"""Checks whether a build is reproducible: builds everything a second time in an empty store.

Only the base image is copied, by digest. Packages are fetched again, and hooks and commands run again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from airbyte_ci.errors import ImageError
from airbyte_ci.images import build, given, planning
from airbyte_ci.images.evaluation import Evaluation, open_evaluation
from airbyte_ci.images.order import Order
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import Built
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.archive import Stream


def confirm(plan: BuildPlan, evaluation: Evaluation, built: Built, order: Order) -> None:
    """Raises ImageError that names the first difference if a second build from scratch creates another image.

    An existing plan is built again; otherwise the plan is also created again.
    """
    tools, connector = evaluation.tools, evaluation.connector
    with tools.store.scratch() as folder:
        store = Store(folder / "store")
        for base in {id(item): item for item in (evaluation.base, evaluation.base.runs)}.values():
            base.bring()
            _take_over(tools.store, store, base.image, plan.base.digest)
        empty = open_evaluation(
            connector,
            replace(tools, store=store),
            address=plan.base,
            platform=plan.platform,
            native=order.native,
            elsewhere=None,
            distribution=order.distribution,
        )
        if order.plan:
            second_plan = plan
            given.prepare(plan, empty, again=True)
        else:
            second_plan = planning.plan(empty, plan.base, plan.platform, order)
        second = build.build(second_plan, empty, replace(order, plan=None))
        if second.manifest != built.manifest:
            first_image, second_image = tools.store.image(built.digest), store.image(second.digest)
            what = difference(tools.store, first_image, store, second_image)
            if plan.digest != second_plan.digest:
                what = f"its plan differs ({_plans(plan.to_json(), second_plan.to_json())}); {what}"
            raise ImageError(
                f"{connector.name} is not reproducible: a second build from scratch created a different image: {what}",
                advice="the usual cause is a hook command that uses the network; pin the versions that it installs",
                error_id="not-reproducible",
            )


def _take_over(source: Store, target: Store, image: Image, index: Digest | None) -> None:
    wanted = {image.digest, *image.manifest.blobs}
    if index:
        wanted.add(index)
    for digest in wanted:
        if not target.has(digest):
            target.path(digest).hardlink_to(source.path(digest))


def _plans(first: object, second: object, place: str = "") -> str:
    """Returns the first difference between two documents."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted({*first, *second}):
            if first.get(key) != second.get(key):
                return _plans(first.get(key), second.get(key), f"{place}.{key}".lstrip("."))
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            if one != other:
                return _plans(one, other, f"{place}[{number}]")
    return f"{place}: {first!r:.60} and {second!r:.60}"


def difference(store: Store, first: Image, other: Store, second: Image) -> str:
    """Describes the first differing file of the first differing layer of two images."""
    if len(first.layers) != len(second.layers):
        return f"{len(first.layers)} layers and {len(second.layers)}"
    for number, ((one, one_id), (two, two_id)) in enumerate(zip(first.layers, second.layers, strict=True)):
        if one_id != two_id:
            found = next(_differences(store, one, other, two), "only the order of entries differs")
            return f"layer {number}: {found}"
        if one.digest != two.digest:
            return f"layer {number} is the same archive, but its compressed bytes differ"
    return "the configuration" if first.config.raw != second.config.raw else "the manifest's annotations"


@dataclass(frozen=True, slots=True)
class _Member:
    """Returns the compared attributes of a layer's entry."""

    facts: tuple[object, ...]
    content: Digest


def _differences(store: Store, one: Descriptor, other: Store, two: Descriptor) -> Iterator[str]:
    ours, theirs = _members(store, one), _members(other, two)
    for path in sorted({*ours, *theirs}):
        left, right = ours.get(path), theirs.get(path)
        if left is None or right is None:
            yield f"/{path} is only in the {'second' if left is None else 'first'}"
        elif left.content != right.content:
            yield f"/{path} has different contents"
        elif left.facts != right.facts:
            changed = next(pair for pair in zip(left.facts, right.facts, strict=True) if pair[0] != pair[1])
            yield f"/{path}: {changed[0]} and {changed[1]}"


_NOTHING = Digest.of(b"")


def _members(store: Store, layer: Descriptor) -> dict[str, _Member]:
    found = {}
    with store.path(layer.digest).open("rb") as blob, Stream(blob) as stream:
        for member in stream.entries():
            content = Digest.of_stream(stream.extract(member)) if member.isreg() else _NOTHING
            facts = (
                f"type {member.type!r}",
                f"mode {member.mode:o}",
                f"owner {member.uid}:{member.gid}",
                f"time {member.mtime}",
                f"link to {member.linkname!r}",
            )
            found[member.name] = _Member(facts, content)
    return found
