"""Builds a base image from a declaration: the image is in the store and checked, and all inputs have digests."""

import os
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.inspection import checks
from airbyte_ci.base_images.making import lock, root
from airbyte_ci.base_images.making.lock import PlatformLock, VersionLock
from airbyte_ci.base_images.making.root import BaseRoot
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.environment.tools import Tools

FORMAT_VERSION = 1
# Packages whose code affects the bytes of an image.
_ROOMS = ("oci", "rootfs", "sandbox", "dagger", "recipe", "hooks", "python", "base_images")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImageBuild:
    """The result of a build: the catalog entry, the image, the results of the checks, and the inputs."""

    version: BaseImageVersion
    image: Image
    checks: tuple[str, ...]
    root: str
    cached: bool
    locked: PlatformLock


def build(
    declaration: Declaration,
    tools: Tools,
    platform: Platform,
    *,
    kind: str = "auto",
    fresh: bool = False,
    checked: bool = True,
) -> BaseImageBuild:
    """Builds, checks and stores the base image. `kind` of root is auto, image or debian.

    `fresh` downloads current packages for a Debian root. Without `checked`, the caller runs the checks. Raises
    ImageError when a check fails, SandboxError when a command fails, and PackageError.
    """
    _refuse_foreign(declaration, platform)
    found = root.resolve(declaration, tools.store, tools.registries, platform, kind, tools.say, fresh=fresh)
    image, locked = make(declaration, tools, found, None)
    passed = checks.require(tools.store, image, declaration.checks, tools.say) if checked else ()
    version = entry_of(VersionLock(declaration, {platform: locked}), image, tools.store)
    return BaseImageBuild(
        version=version, image=image, checks=passed, root=found.title, cached=found.cached, locked=locked
    )


def entry_of(locked: VersionLock, image: Image, store: Store) -> BaseImageVersion:
    """Returns the catalog entry of the locked platforms, and names the image in the store."""
    declaration, index = locked.declaration, locked.index
    store.put(index.raw)
    store.tag(str(declaration.address), index.descriptor)
    part = next(iter(locked.platforms.values()))
    return BaseImageVersion(
        repository=declaration.repository,
        version=declaration.version,
        address=declaration.address.with_digest(index.digest),
        python=part.python,
        user=str(image.config.execution.get("User") or "root"),
        changelog=declaration.changelog,
        platforms=tuple((str(platform), item.manifest) for platform, item in sorted(locked.platforms.items())),
        supported_until=declaration.supported_until,
        requires_platform=declaration.requires_platform,
        built_on=str(declaration.image_root) if declaration.image_root and part.debian is None else "",
    )


def make(
    declaration: Declaration, tools: Tools, found: BaseRoot, locked: PlatformLock | None
) -> tuple[Image, PlatformLock]:
    """Returns the image on its root, and its inputs. With `locked`, uses only those inputs."""
    inputs = {"declaration": lock.plain(declaration.document), "root": str(found.image.digest), "code": _code()}
    key = action_key("base-image", FORMAT_VERSION, inputs)
    known = tools.store.recall(key) if locked is None else None
    if known and tools.store.has(digest := Digest.parse(known["manifest"])):
        image = tools.store.image(digest)
        if tools.store.holds(image):
            return image, PlatformLock.from_json(known)
    from airbyte_ci.base_images.making import making

    image, part = making.made(declaration, tools, found, locked)
    tools.store.remember(key, part.to_json())
    return image, part


def _code() -> list[list[object]]:
    """Returns the digest of the source files that affect the image's bytes; importing them is slower."""
    package = Path(__file__).parents[1]
    files = (path for room in _ROOMS for path in (package / room).rglob("*.py"))
    return sorted([str(path.relative_to(package)), (state := path.stat()).st_size, state.st_mtime_ns] for path in files)


def _refuse_foreign(declaration: Declaration, platform: Platform) -> None:
    if platform not in declaration.platforms:
        declared = ", ".join(map(str, declaration.platforms))
        raise ImageError(
            f"cannot build {declaration.address} for {platform}: the declaration's platforms are {declared}",
            advice=f"add {platform} to `platforms`, or build on a machine of a declared platform",
        )
    machine = os.uname().machine
    if platform.architecture != _MACHINES.get(machine, machine):
        raise ImageError(
            f"cannot build {declaration.address} for {platform}: its commands do not run on this machine ({machine})",
            advice=f"build on a {platform.architecture} machine",
        )
