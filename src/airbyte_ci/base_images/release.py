"""Releasing a version: what it must be to be released, and the record of it. Nothing is pushed, nothing is written."""

import datetime
from dataclasses import dataclass, replace

from airbyte_ci.base_images import build, checks, declare, inputs, standing
from airbyte_ci.base_images import lock as locks
from airbyte_ci.base_images.build import BaseImageBuild
from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue
from airbyte_ci.base_images.checks import CheckResult
from airbyte_ci.base_images.declare import Declaration
from airbyte_ci.base_images.lock import PlatformLock, VersionLock
from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci.image import Index, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store
from airbyte_ci.python.tools import Tools


@dataclass(frozen=True, slots=True)
class Release:
    """A version on its way: its lock with this machine's platform in it, and its entry once all platforms are there."""

    lock: VersionLock
    entry: BaseImageVersion | None
    built: BaseImageBuild
    checks: tuple[CheckResult, ...]


def refuse_unfit(declaration: Declaration, catalogue: Catalogue, today: datetime.date) -> None:
    """Raises ImageError for a version that is released or expired, without a changelog entry, or on a yanked root."""
    doing = f"releasing {declaration.address}"
    if declaration.image_root:
        standing.refuse(catalogue, str(declaration.image_root), doing)
    if declaration.supported_until and declaration.supported_until < today:
        raise ImageError(
            f"{doing}: its support ended on {declaration.supported_until} already",
            advice="correct `supported-until` in the declaration",
        )
    if not declaration.changelog.strip():
        raise ImageError(
            f"{doing}: its changelog entry is empty", advice="say in `changelog` what is new for connectors"
        )
    known = next((item for item in catalogue.of(declaration.repository) if item.version == declaration.version), None)
    if known and (known.released or known.published or known.yanked):
        state = "yanked" if known.yanked else f"released on {known.released or known.published}"
        raise ImageError(f"{doing}: this version was {state}", advice="raise `version` in the declaration")


def built(declaration: Declaration, tools: Tools, platform: Platform, kind: str) -> BaseImageBuild:
    """The image on the declared root: Debian packages take the place of an image only where `kind` says so.

    Raises RegistryError, BlobNotFound when the declared image cannot be pulled.
    """
    if kind != "auto" or declaration.image_root is None:
        return build.build(declaration, tools, platform, kind=kind)
    try:
        return build.build(declaration, tools, platform, kind="image")
    except (RegistryError, BlobNotFound) as error:
        raise type(error)(
            f"releasing {declaration.address}: its root {declaration.image_root} cannot be pulled: {error.message}",
            advice="try again when its registry answers"
            + (", or release on Debian packages with --root debian" if declaration.debian_root else ""),
        ) from error


def checked(declaration: Declaration, tools: Tools, built: BaseImageBuild) -> tuple[CheckResult, ...]:
    """The declared checks and the contract; raises ImageError unless all are green."""
    results = (
        *checks.sanity(tools.store, built.image, declaration.checks, tools.say),
        *checks.kept(tools.store, built.image, declaration.writable, tools.say),
    )
    if failed := [f"\n    {item.name}: {item.said}" for item in results if not item.passed]:
        raise ImageError(
            f"releasing {declaration.address}: {len(failed)} checks are not green:{''.join(failed)}",
            advice="mend the declaration; `airbyte-ci base-images check` shows them all",
        )
    return results


def verify_root(declaration: Declaration, built: BaseImageBuild, registries: RegistryClient, *, keep: bool) -> None:
    """Raises ImageError unless the root's registry still has it, for every platform, under its tag.

    `keep` allows a tag that stands for another image by now. Debian's packages were verified by their signature when
    they came.
    """
    address = declaration.image_root
    if built.locked.debian or address is None:
        return
    doing = f"releasing {declaration.address}"
    try:
        root = registries.manifest(Reference(address.registry, address.repository, None, address.digest))
    except BlobNotFound as error:
        raise ImageError(
            f"{doing}: {address.registry} has no root {address}", advice="declare one that it has"
        ) from error
    if isinstance(root, Index):
        for platform in declaration.platforms:
            root.select(platform, f"{doing}: the root {address}")
    elif len(declaration.platforms) > 1:
        raise ImageError(
            f"{doing}: the root {address} is an image for one platform", advice="declare its index' digest"
        )
    if address.tag is None or keep:
        return
    try:
        today = registries.resolve(address.with_tag(address.tag)).digest
    except BlobNotFound:
        return  # a tag that was taken away is no other image
    if today != address.digest:
        raise ImageError(
            f"{doing}: the root's tag {address.tag} was overwritten upstream: {address.repository} has {today.short} "
            f"there, and the declaration {address.digest.short if address.digest else ''}",
            advice=f"declare {address.with_digest(today)}, or keep the older one with --keep-root",
        )


def locked(
    declaration: Declaration,
    built: BaseImageBuild,
    results: tuple[CheckResult, ...],
    platform: Platform,
    known: VersionLock | None,
    store: Store,
) -> VersionLock:
    """The version's lock with this platform, whose inputs the store keeps from now on.

    What other machines locked of the same declaration stays in it.
    """
    same = known is not None and known.declaration == _as_locked(declaration)
    base = known if known is not None and same else VersionLock(declaration)
    _refuse_other_root(base, built, platform)
    part: PlatformLock = replace(built.locked, checks=tuple(item.name for item in results))
    inputs.keep(declaration.address, platform, part, store)
    inputs.keep_root(declaration.address, platform, part, store)
    return base.with_platform(platform, part)


def _refuse_other_root(lock: VersionLock, built: BaseImageBuild, platform: Platform) -> None:
    """All platforms of a version stand on the same kind of root."""
    for other, part in lock.platforms.items():
        if other != platform and (part.debian is None) != (built.locked.debian is None):
            kinds = ["image" if item.debian is None else "debian" for item in (part, built.locked)]
            raise ImageError(
                f"releasing {lock.declaration.address}: {other} is locked on the root {kinds[0]}, and {platform} is "
                f"built on {kinds[1]}",
                advice=f"release with --root {kinds[0]}, or {other} again with --root {kinds[1]}",
            )


def _as_locked(declaration: Declaration) -> Declaration:
    """As it reads back from a lock."""
    return declare.from_document(locks.plain(declaration.document), str(declaration.address))


def finished(lock: VersionLock, built: BaseImageBuild, tools: Tools, today: datetime.date) -> BaseImageVersion | None:
    """The released entry, or None while a platform is missing."""
    if lock.missing:
        return None
    return replace(build.entry_of(lock, built.image, tools.store), released=today)
