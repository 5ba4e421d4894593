"""One connector's build from end to end: every platform, verified, named in the store, and delivered.

Modules that an unchanged build does not need are imported where they are used: most builds are of that kind.
"""

import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.images import effects, layer_origins, outputs
from airbyte_ci.images.code_places import code_places
from airbyte_ci.images.order import DEFAULT_TAG, Order
from airbyte_ci.images.summary import Built, Memory
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, LAYER_ZSTD, Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.outcomes import Outcome
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.wheels.collisions import Collision
from airbyte_ci.records import dataclass

if TYPE_CHECKING:  # slow to import
    from airbyte_ci.images.plan import BuildPlan
    from airbyte_ci.python.environment.install import Elsewhere

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One platform's image and whether it answered `spec`, or why that was not checked.

    It is `unchanged` if no input of the last build has changed since.
    """

    platform: Platform
    built: Built
    image: Image
    verified: bool
    unverified: str
    seconds: float
    unchanged: bool


def run(connector: Connector, order: Order, tools: Tools) -> list[Outcome]:
    """Builds, verifies, names and delivers; returns an outcome per platform. Raises AirbyteCiError if one fails."""
    done = make(connector, order, tools)
    try:
        places = _put_out(done, order, tools)
    except BlobNotFound:
        if not order.may_stay_away:
            raise
        # A layer of the registry is gone: it is built here, as if no registry had been queried.
        done = [_one(connector, order, tools, platform, near=True) for platform in order.platforms]
        places = _put_out(done, order, tools)
    return [outcome(connector, item, places, _effect(tools, item.built)) for item in done]


def make(connector: Connector, order: Order, tools: Tools) -> list[Done]:
    """Builds and verifies the image of each platform. Raises AirbyteCiError if one fails."""
    return [_one(connector, order, tools, platform) for platform in order.platforms]


def attempt(connector: Connector, order: Order, tools: Tools) -> None:
    """Builds and verifies `spec`, without names and delivery. Raises AirbyteCiError if one of them fails."""
    make(connector, order, tools)


def _effect(tools: Tools, built: Built) -> Mapping[str, Any] | None:
    """Returns the effect of the customization, if it is known."""
    return effects.of_plan(tools.store, Digest.parse(built.plan)) if built.hook_operations else None


def _one(connector: Connector, order: Order, tools: Tools, platform: Platform, *, near: bool = False) -> Done:
    started = time.monotonic()
    memory = _memory(connector, order, platform)
    built = None if near or order.plan or order.again else memory.recall(tools.store)
    if built and order.show_hook and built.hook_operations and not _effect(tools, built):
        built = None
    unchanged = built is not None
    if built is None and not (near or order.plan or order.again):
        built = _replace_code(connector, tools, memory)
    if built and tools.confirm_base:
        tools.confirm_base(Reference.parse(built.base))
    if built is None:
        built = _build(connector, order, tools, platform, near=near)
        if not order.plan:
            from airbyte_ci.images import planning

            memory.remember(tools.store, built, is_code_apart=planning.is_code_apart(connector))
    image = tools.store.image(built.digest)
    if not order.may_stay_away:
        _complete(tools, image, built)
    verified, unverified = _verify(connector, order, tools, platform, image, built)
    return Done(
        platform=platform,
        built=built,
        image=image,
        verified=verified,
        unverified=unverified,
        seconds=time.monotonic() - started,
        unchanged=unchanged,
    )


def _memory(connector: Connector, order: Order, platform: Platform) -> Memory:
    return Memory.of((connector.folder,), order.settings(platform), time.time_ns(), code_places(connector))


def _replace_code(connector: Connector, tools: Tools, memory: Memory) -> Built | None:
    """Returns the last build with the current code if nothing else changed."""
    last = memory.recall_other_code(tools.store)
    if last is None:
        return None
    from airbyte_ci.images.replace_code import replace_code

    built = replace_code(connector, tools.store, last)
    if built:
        memory.remember(tools.store, built, is_code_apart=True)
    return built


def _build(connector: Connector, order: Order, tools: Tools, platform: Platform, *, near: bool) -> Built:
    from airbyte_ci.images import base, build, given, planning
    from airbyte_ci.images.evaluation import open_evaluation

    address = order.plan.base if order.plan else base.address(connector, order.override)
    elsewhere = None if near else _elsewhere(connector, order, tools, platform)
    evaluation = open_evaluation(
        connector,
        tools,
        address=address,
        platform=platform,
        native=order.native,
        elsewhere=elsewhere,
        distribution=order.distribution,
    )
    if order.plan:
        plan = order.plan
        given.prepare(plan, evaluation)
    else:
        tools.say("planning")
        plan = planning.plan(evaluation, address, platform, order)
    built = build.build(plan, evaluation, order)
    is_run = order.verify and order.native.accepts(platform)
    if built.hook_operations and (is_run or order.show_hook):
        from airbyte_ci.images import customized

        customized.record(plan, evaluation)
    if order.again:
        from airbyte_ci.images import reproduce

        tools.say("building again from scratch")
        reproduce.confirm(plan, evaluation, built, order)
    return built


def plan(connector: Connector, order: Order, tools: Tools, platform: Platform) -> "BuildPlan":
    """Returns the BuildPlan without building it."""
    from airbyte_ci.images import base, planning
    from airbyte_ci.images.evaluation import open_evaluation

    address, elsewhere = base.address(connector, order.override), _elsewhere(connector, order, tools, platform)
    evaluation = open_evaluation(
        connector,
        tools,
        address=address,
        platform=platform,
        native=order.native,
        elsewhere=elsewhere,
        distribution=order.distribution,
    )
    return planning.plan(evaluation, address, platform, order)


def _elsewhere(connector: Connector, order: Order, tools: Tools, platform: Platform) -> "Elsewhere | None":
    """Returns where the layers of the packages may have been pushed before, if they may stay there."""
    if not order.may_stay_away:
        return None
    from airbyte_ci.images import elsewhere
    from airbyte_ci.python.environment.install import Elsewhere

    target = order.destinations[0].reference(connector.image_repository, order.tags[0])
    media_type = LAYER_ZSTD if order.compression == "zstd" else LAYER_GZIP
    find = functools.partial(elsewhere.find, tools.registries, tools.store, target, platform, media_type)
    return Elsewhere(media_type, find)


def _complete(tools: Tools, image: Image, built: Built) -> None:
    if tools.store.holds(image):
        return
    from airbyte_ci.images import base

    tools.say("fetching layers")
    base.complete(tools.store, image, find_sources([built]), tools.registries)


def _verify(
    connector: Connector, order: Order, tools: Tools, platform: Platform, image: Image, built: Built
) -> tuple[bool, str]:
    if not order.verify:
        return False, ""
    if not order.native.accepts(platform):
        return False, f"this machine runs {order.native}"
    from airbyte_ci.images import verification

    if verification.known(tools.store, image) is None:
        from airbyte_ci.images import run

        tools.say("spec")
        try:
            run.verify(tools.store, image)
        except ImageError as error:
            message = f"{built.lacking}; {error.message}" if built.lacking else error.message
            raise ImageError(message, advice=_keep(connector, order, tools, image, built)) from error
    return True, ""


def _keep(connector: Connector, order: Order, tools: Tools, image: Image, built: Built) -> str:
    """Names an image that does not work in the store, and nowhere else; the command that opens a shell in it.

    An attempt has no tags: its image has no name, and there is no command.
    """
    if not order.tags:
        return ""
    for tag in order.tags:
        tools.store.tag(f"{built.repository}:{tag}", image.manifest.descriptor)
    tag = "" if order.tags[0] == DEFAULT_TAG else f" --tag={order.tags[0]}"
    return f"airbyte-ci connectors --name={connector.name} run{tag} --shell"


def _put_out(done: Sequence[Done], order: Order, tools: Tools) -> list[str]:
    """Names the complete image in the store, and delivers it to the requested outputs; returns the addresses."""
    result = outputs.together(tools.store, [item.image for item in done])
    repository = done[0].built.repository
    names = [f"{repository}:{tag}" for tag in order.tags]
    places = []
    if all(tools.store.holds(item.image) for item in done):
        for name in names:
            tools.store.tag(name, result.descriptor)
        places += names
    sources = find_sources([item.built for item in done])
    for destination in order.destinations:
        tools.say(f"output {destination}")
        places += outputs.deliver(
            destination,
            tools.store,
            result=result,
            names=names,
            sources=sources,
            registries=tools.registries,
            native=order.native,
            fixed=order.fixed,
        )
    return places


def find_sources(built: Iterable[Built]) -> tuple[Reference, ...]:
    """Returns the repositories that may have layers which the store lacks."""
    return tuple(dict.fromkeys(Reference.parse(source) for item in built for source in item.sources))


def _packages(built: Built) -> str:
    if built.jars:
        return f"{built.jars} jar{'s' if built.jars > 1 else ''}"
    if not built.packages:
        return "no packages to install"
    cached = built.packages - built.fresh
    return f"{cached} package{'' if cached == 1 else 's'} cached{f', {built.fresh} new' if built.fresh else ''}"


def _operations(number: int) -> str:
    return f"hook: {number} operation{'s' if number > 1 else ''}" if number else ""


def _collisions(lost: Sequence[Collision]) -> list[str]:
    more = len(lost) - _SHOWN
    told = [f"! {item}" for item in lost[:_SHOWN]]
    return [*told, f"! and {more} more files that several packages install: --json lists them"] if more > 0 else told


def outcome(
    connector: Connector, item: Done, places: Sequence[str] = (), effect: Mapping[str, Any] | None = None
) -> Outcome:
    """Returns the outcome of one platform's build, with the addresses of the image and the customization's effect."""
    built = item.built
    told = [
        f"{item.seconds:.1f} s",
        _packages(built),
        _operations(built.hook_operations),
        "spec ok" if item.verified else "spec not run",
    ]
    details = [f"also at {', '.join(places[1:])}"] if len(places) > 1 else []
    # If the bytes are equal, nothing is lost, so it is not reported.
    details += _collisions([item for item in built.collisions if item.differ])
    details += [f"! {item}" for item in built.repaired]
    details += [f"! {item}" for item in built.warnings]
    if built.absent:
        details.append(f"! {built.lacking}: packages that need it fail")
    if built.unmet:
        details.append(f"! unmet requirements in the packages' metadata: {', '.join(built.unmet[:3])}")
    return Outcome(
        subject=connector.name,
        status="unverified" if item.unverified else "ok",
        summary=f"{built.platform} {built.digest.short} {' · '.join(part for part in told if part)}",
        reason=item.unverified,
        details=tuple(details),
        facts={
            "platform": built.platform,
            "digest": built.manifest,
            "diffIds": list(built.diff_ids),
            "baseImage": built.base,
            "plan": built.plan,
            "seconds": round(item.seconds, 3),
            "sizes": layer_origins.sizes(item.image, built.base_layers),
            "collisions": [item.to_json() for item in built.collisions],
            "repaired": list(built.repaired),
            "cached": built.cached,
            "unchanged": item.unchanged,
            "outputs": list(places),
            **({"alsoReads": list(built.folders)} if built.folders else {}),
            **({"jars": built.jars} if built.jars else {}),
            **({"warnings": list(built.warnings)} if built.warnings else {}),
            **({"missingLibraries": dict(built.absent)} if built.absent else {}),
            **({"customization": effects.summary(effect)} if effect else {}),
        },
    )
