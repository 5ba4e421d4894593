"""Building a released version again, from its lock alone: the same digest, or the names of the inputs that are gone.

Inputs are looked for in the store, then with the published version in its registry, then where they first came from.
"""

from collections.abc import Iterable

from airbyte_ci.base_images import build, debian, inputs
from airbyte_ci.base_images.declare import Declaration
from airbyte_ci.base_images.lock import LockedWheel, PlatformLock, VersionLock
from airbyte_ci.base_images.root import Root
from airbyte_ci.base_images.workbench import Workbench
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, PackageError, RegistryError
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.python.lock import LockedFile

_SHOWN = 8


def rebuild(lock: VersionLock, bench: Workbench, platform: Platform) -> Image:
    """The locked image; raises ImageError naming the inputs that are gone, or when the digest is another."""
    declaration = lock.declaration
    what = f"building {declaration.address} again"
    part = lock.platforms.get(platform)
    if part is None:
        known = ", ".join(map(str, sorted(lock.platforms))) or "none"
        raise ImageError(f"{what}: its lock has no {platform} (it has: {known})")
    found = _inputs(declaration, part, bench, platform, what)
    image, _ = build.make(declaration, bench, found, part)
    if image.digest != part.manifest:
        raise ImageError(
            f"{what} for {platform}: from the same inputs it became {image.digest.short}, not {part.manifest.short}",
            advice="build it with the version of airbyte-ci that released it",
        )
    return image


def _inputs(declaration: Declaration, part: PlatformLock, bench: Workbench, platform: Platform, what: str) -> Root:
    """Has every input in the store; tells all that are missing at once."""
    _from_registry(declaration, part, bench, platform)
    made = [item for item in part.commands if item.layer]
    gone = [str(item) for item in made if item.layer and not bench.store.has(item.layer.descriptor.digest)]
    gone += _wheels(part.wheels, bench)
    found = _root(declaration, part, bench, platform, gone, what)
    if gone or found is None:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise ImageError(
            f"{what} for {platform}: {len(gone)} of its inputs are gone: {', '.join(gone[:_SHOWN])}{more}",
            advice="bring back the store or the registry that had them, or release a new version",
        )
    return found


def _from_registry(declaration: Declaration, part: PlatformLock, bench: Workbench, platform: Platform) -> None:
    """What was published with the version, if it was."""
    files = [item for item in inputs.of(part) if not bench.store.has(item.digest)]
    layers = [item.layer.descriptor for item in part.commands if item.layer]
    try:
        inputs.bring(declaration.address, platform, files, bench.store, bench.registries, bench.executor)
    except (RegistryError, BlobNotFound, ImageError) as error:
        bench.progress(f"its inputs were not published: {error.message}")
    for layer in layers:
        try:
            if not bench.store.has(layer.digest):
                bench.registries.pull_blob(declaration.address, layer, bench.store)
        except (RegistryError, BlobNotFound) as error:
            bench.progress(f"a layer was not published: {error.message}")


def _wheels(wheels: Iterable[LockedWheel], bench: Workbench) -> list[str]:
    gone = []
    for item in wheels:
        try:
            bench.index.fetch(bench.store, item.name, LockedFile(item.file, item.sha256))
        except PackageError:
            gone.append(str(item))
    return gone


def _root(
    declaration: Declaration,
    part: PlatformLock,
    bench: Workbench,
    platform: Platform,
    gone: list[str],
    what: str,
) -> Root | None:
    """The root of the lock: as the store has it, made again of its packages, or pulled."""
    if image := local.whole(bench.store, part.root):
        return Root(image, "the store", cached=True, debian=part.debian)
    if part.debian is None:
        return _pulled(declaration, bench, platform, part, gone)
    lacking = [item for item in part.debian.debs if not bench.store.has(item.digest)]
    if lacking:
        bench.progress(f"asking the Debian archive for {len(lacking)} packages")
        gone += [f"{item.package} {item.version}" for item in debian.fetch(part.debian, lacking, bench.store)]
    if gone:
        return None
    bench.progress("bootstrapping Debian again, from the packages that were kept")
    image = debian.again(part.debian, bench.store, platform)
    if image.digest != part.root:
        raise ImageError(f"{what}: the Debian root became {image.digest.short} and not {part.root.short}")
    return Root(image, "kept Debian packages", cached=False, debian=part.debian)


def _pulled(
    declaration: Declaration, bench: Workbench, platform: Platform, part: PlatformLock, gone: list[str]
) -> Root | None:
    address = declaration.image_root
    assert address is not None
    # The published version holds its root's layers too, so the root's own registry may be gone.
    for place in (address, Reference(declaration.address.registry, declaration.address.repository)):
        try:
            image = bench.registries.pull(place.with_digest(part.root), platform, bench.store)
            return Root(image, str(address), cached=False)
        except AirbyteCiError:
            continue
    gone.append(f"the root {address}")
    return None
