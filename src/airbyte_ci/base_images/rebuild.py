"""Building a released version again, from its lock alone: the same digest, or the names of the inputs that are gone.

Inputs are looked for in the store, then with the published version in its registry, then where they first came from.
"""

from collections.abc import Iterable

from airbyte_ci.base_images import build, debian, inputs
from airbyte_ci.base_images.declare import Declaration
from airbyte_ci.base_images.lock import LockedWheel, PlatformLock, VersionLock
from airbyte_ci.base_images.root import Root
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, PackageError, RegistryError
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.lock import LockedFile
from airbyte_ci.python.tools import Tools

_SHOWN = 8


def rebuild(lock: VersionLock, tools: Tools, platform: Platform) -> Image:
    """The locked image; raises ImageError naming the inputs that are gone, or when the digest is another."""
    declaration = lock.declaration
    what = f"building {declaration.address} again"
    part = lock.platforms.get(platform)
    if part is None:
        known = ", ".join(map(str, sorted(lock.platforms))) or "none"
        raise ImageError(f"{what}: its lock has no {platform} (it has: {known})")
    found = _inputs(declaration, part, tools, platform, what)
    image, _ = build.make(declaration, tools, found, part)
    if image.digest != part.manifest:
        raise ImageError(
            f"{what} for {platform}: from the same inputs it became {image.digest.short}, not {part.manifest.short}",
            advice="build it with the version of airbyte-ci that released it",
        )
    return image


def _inputs(declaration: Declaration, part: PlatformLock, tools: Tools, platform: Platform, what: str) -> Root:
    """Has every input in the store; tells all that are missing at once."""
    _from_registry(declaration, part, tools, platform)
    made = [item for item in part.commands if item.layer]
    gone = [str(item) for item in made if item.layer and not tools.store.has(item.layer.descriptor.digest)]
    gone += _wheels(part.wheels, tools)
    found = _root(declaration, part, tools, platform, gone, what)
    if gone or found is None:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise ImageError(
            f"{what} for {platform}: {len(gone)} of its inputs are gone: {', '.join(gone[:_SHOWN])}{more}",
            advice="bring back the store or the registry that had them, or release a new version",
        )
    return found


def _from_registry(declaration: Declaration, part: PlatformLock, tools: Tools, platform: Platform) -> None:
    """What was published with the version, if it was."""
    files = [item for item in inputs.of(part) if not tools.store.has(item.digest)]
    layers = [item.layer.descriptor for item in part.commands if item.layer]
    try:
        inputs.bring(declaration.address, platform, files, tools.store, tools.registries, tools.executor)
    except (RegistryError, BlobNotFound, ImageError) as error:
        tools.say(f"its inputs were not published: {error.message}")
    for layer in layers:
        try:
            if not tools.store.has(layer.digest):
                tools.registries.pull_blob(declaration.address, layer, tools.store)
        except (RegistryError, BlobNotFound) as error:
            tools.say(f"a layer was not published: {error.message}")


def _wheels(wheels: Iterable[LockedWheel], tools: Tools) -> list[str]:
    gone = []
    for item in wheels:
        try:
            tools.index.fetch(tools.store, item.name, LockedFile(item.file, item.sha256))
        except PackageError:
            gone.append(str(item))
    return gone


def _root(
    declaration: Declaration,
    part: PlatformLock,
    tools: Tools,
    platform: Platform,
    gone: list[str],
    what: str,
) -> Root | None:
    """The root of the lock: as the store has it, made again of its packages, or pulled."""
    if image := local.whole(tools.store, part.root):
        return Root(image, "the store", cached=True, debian=part.debian)
    if part.debian is None:
        return _pulled(declaration, tools, platform, part, gone)
    lacking = [item for item in part.debian.debs if not tools.store.has(item.digest)]
    if lacking:
        tools.say(f"asking the Debian archive for {len(lacking)} packages")
        gone += [f"{item.package} {item.version}" for item in debian.fetch(part.debian, lacking, tools.store)]
    if gone:
        return None
    tools.say("bootstrapping Debian again, from the packages that were kept")
    image = debian.again(part.debian, tools.store, platform)
    if image.digest != part.root:
        raise ImageError(f"{what}: the Debian root became {image.digest.short} and not {part.root.short}")
    return Root(image, "kept Debian packages", cached=False, debian=part.debian)


def _pulled(
    declaration: Declaration, tools: Tools, platform: Platform, part: PlatformLock, gone: list[str]
) -> Root | None:
    address = declaration.image_root
    assert address is not None
    # The published version holds its root's layers too, so the root's own registry may be gone.
    for place in (address, Reference(declaration.address.registry, declaration.address.repository)):
        try:
            image = tools.registries.pull(place.with_digest(part.root), platform, tools.store)
            return Root(image, str(address), cached=False)
        except AirbyteCiError:
            continue
    gone.append(f"the root {address}")
    return None
