"""Builds a released version again from its lock: the result has the same digest, or the missing inputs are named.

Inputs come from the store, the published version in its registry, or their original sources, in this order.
"""

from collections.abc import Iterable

from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.making import build, debian
from airbyte_ci.base_images.making.lock import LockedWheel, PlatformLock, VersionLock
from airbyte_ci.base_images.making.root import BaseRoot
from airbyte_ci.base_images.release import inputs
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, PackageError, RegistryError
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.packages.lock import LockedFile

_SHOWN = 8


def rebuild(lock: VersionLock, tools: Tools, platform: Platform) -> Image:
    """Returns the locked image; raises ImageError that names missing inputs, or when the digest differs."""
    image = repeat(lock, tools, platform)
    if image.digest != lock.platforms[platform].manifest:
        raise ImageError(
            f"cannot rebuild {lock.declaration.address} for {platform}: the same inputs result in "
            f"{image.digest.short}, not {lock.platforms[platform].manifest.short}",
            advice="use the version of airbyte-ci that released it",
            error_id="rebuild-differs",
        )
    return image


def repeat(lock: VersionLock, tools: Tools, platform: Platform) -> Image:
    """Returns the image that the locked inputs result in now; raises ImageError that names missing inputs."""
    declaration = lock.declaration
    what = f"cannot rebuild {declaration.address}"
    part = lock.platforms.get(platform)
    if part is None:
        known = ", ".join(map(str, sorted(lock.platforms))) or "none"
        raise ImageError(f"{what}: its lock has no {platform} (only: {known})")
    found = _inputs(declaration, part, tools, platform, what)
    image, _ = build.make(declaration, tools, found, part)
    return image


def _inputs(declaration: Declaration, part: PlatformLock, tools: Tools, platform: Platform, what: str) -> BaseRoot:
    """Fetches every input into the store; the error names all missing inputs."""
    _from_registry(declaration, part, tools, platform)
    made = [item for item in part.commands if item.layer]
    gone = [str(item) for item in made if item.layer and not tools.store.has(item.layer.descriptor.digest)]
    gone += _wheels(part.wheels, tools)
    found = _root(declaration, part, tools, platform, gone, what)
    if gone or found is None:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise ImageError(
            f"{what} for {platform}: {len(gone)} of its inputs are missing: {', '.join(gone[:_SHOWN])}{more}",
            advice="restore the store or the registry that had them, or release a new version",
        )
    return found


def _from_registry(declaration: Declaration, part: PlatformLock, tools: Tools, platform: Platform) -> None:
    """Fetches the inputs and layers that were published with the version, if any."""
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
) -> BaseRoot | None:
    """Returns the lock's root: from the store, rebuilt from its packages, or pulled."""
    if image := local.whole(tools.store, part.root):
        return BaseRoot(image, "the store", cached=True, debian=part.debian)
    if part.debian is None:
        return _pulled(declaration, tools, platform, part, gone)
    lacking = [item for item in part.debian.debs if not tools.store.has(item.digest)]
    if lacking:
        tools.say(f"downloading {len(lacking)} packages from the Debian archive")
        gone += [f"{item.package} {item.version}" for item in debian.fetch(part.debian, lacking, tools.store)]
    if gone:
        return None
    tools.say("bootstrapping Debian from stored packages")
    image = debian.again(part.debian, tools.store, platform)
    if image.digest != part.root:
        raise ImageError(f"{what}: the Debian root has the digest {image.digest.short} instead of {part.root.short}")
    return BaseRoot(image, "stored Debian packages", cached=False, debian=part.debian)


def _pulled(
    declaration: Declaration, tools: Tools, platform: Platform, part: PlatformLock, gone: list[str]
) -> BaseRoot | None:
    address = declaration.image_root
    assert address is not None
    # The published version contains its root's layers too, so the root's own registry is not needed.
    for place in (address, Reference(declaration.address.registry, declaration.address.repository)):
        try:
            image = tools.registries.pull(place.with_digest(part.root), platform, tools.store)
            return BaseRoot(image, str(address), cached=False)
        except AirbyteCiError:
            continue
    gone.append(f"the root {address}")
    return None
