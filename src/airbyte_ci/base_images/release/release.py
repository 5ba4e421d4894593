"""Releases a version: verifies the requirements and creates the records, without pushing or writing files."""

import datetime
from dataclasses import replace

from airbyte_ci.base_images.catalog import standing
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.inspection import checks
from airbyte_ci.base_images.inspection.checks import CheckResult
from airbyte_ci.base_images.making import build
from airbyte_ci.base_images.making import lock as locks
from airbyte_ci.base_images.making.build import BaseImageBuild
from airbyte_ci.base_images.making.lock import PlatformLock, VersionLock
from airbyte_ci.base_images.release import inputs
from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci.image import Index, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.registry.client import RegistryClient


def refuse_unfit(declaration: Declaration, catalog: Catalog, today: datetime.date) -> None:
    """Raises ImageError if the version is released or expired, or has an empty changelog entry or a yanked root."""
    doing = f"cannot release {declaration.address}"
    if declaration.image_root:
        standing.refuse(catalog, str(declaration.image_root), doing)
    if declaration.supported_until and declaration.supported_until < today:
        raise ImageError(
            f"{doing}: its support ended on {declaration.supported_until}",
            advice="correct `supported-until` in the declaration",
        )
    if not declaration.changelog.strip():
        raise ImageError(
            f"{doing}: its changelog entry is empty", advice="describe in `changelog` what is new for connectors"
        )
    known = next((item for item in catalog.of(declaration.repository) if item.version == declaration.version), None)
    if known and (known.released or known.published or known.yanked):
        state = "yanked" if known.yanked else f"released on {known.released or known.published}"
        raise ImageError(f"{doing}: this version was {state}", advice="increase `version` in the declaration")


def built(declaration: Declaration, tools: Tools, platform: Platform, kind: str) -> BaseImageBuild:
    """Builds the image on the declared root; Debian packages replace a root image only if `kind` says so.

    Raises RegistryError or BlobNotFound when the declared image cannot be pulled.
    """
    if kind != "auto" or declaration.image_root is None:
        return build.build(declaration, tools, platform, kind=kind)
    try:
        return build.build(declaration, tools, platform, kind="image")
    except (RegistryError, BlobNotFound) as error:
        raise type(error)(
            f"cannot release {declaration.address}: root {declaration.image_root} cannot be pulled: {error.message}",
            advice="try again when the registry answers"
            + (", or release on Debian packages with --root debian" if declaration.debian_root else ""),
        ) from error


def checked(declaration: Declaration, tools: Tools, built: BaseImageBuild) -> tuple[CheckResult, ...]:
    """Runs the declared checks and the contract; raises ImageError unless all pass."""
    results = (
        *checks.sanity(tools.store, built.image, declaration.checks, tools.say),
        *checks.kept(tools.store, built.image, declaration.writable, tools.say, has_python=bool(built.version.python)),
    )
    if failed := [f"\n    {item.name}: {item.said}" for item in results if not item.passed]:
        raise ImageError(
            f"cannot release {declaration.address}: {len(failed)} checks failed:{''.join(failed)}",
            advice="fix the declaration; `airbyte-ci base-images check` shows all checks",
        )
    return results


def verify_root(declaration: Declaration, built: BaseImageBuild, registries: RegistryClient, *, keep: bool) -> None:
    """Raises ImageError unless the registry still has the root for every platform, under the same tag.

    `keep` allows a tag that now points to another image. Signatures of Debian packages were verified at download.
    """
    address = declaration.image_root
    if built.locked.debian or address is None:
        return
    doing = f"cannot release {declaration.address}"
    try:
        root = registries.manifest(Reference(address.registry, address.repository, None, address.digest))
    except BlobNotFound as error:
        raise ImageError(
            f"{doing}: {address.registry} has no root {address}", advice="declare a root that exists"
        ) from error
    if isinstance(root, Index):
        for platform in declaration.platforms:
            root.select(platform, f"{doing}: the root {address}")
    elif len(declaration.platforms) > 1:
        raise ImageError(
            f"{doing}: the root {address} is an image for one platform", advice="declare the digest of its index"
        )
    if address.tag is None or keep:
        return
    try:
        today = registries.resolve(address.with_tag(address.tag)).digest
    except BlobNotFound:
        return  # a removed tag does not point to another image
    if today != address.digest:
        raise ImageError(
            f"{doing}: the root's tag {address.tag} was overwritten upstream: {address.repository} has {today.short}, "
            f"but the declaration has {address.digest.short if address.digest else ''}",
            advice=f"declare {address.with_digest(today)}, or keep the older image with --keep-root",
        )


def locked(
    declaration: Declaration,
    built: BaseImageBuild,
    results: tuple[CheckResult, ...],
    platform: Platform,
    known: VersionLock | None,
    store: Store,
) -> VersionLock:
    """Returns the version's lock with this platform, and makes the store keep its inputs.

    Platforms that other machines locked for the same declaration remain in the lock.
    """
    same = known is not None and known.declaration == _as_locked(declaration)
    base = known if known is not None and same else VersionLock(declaration)
    _refuse_other_root(base, built, platform)
    part: PlatformLock = replace(built.locked, checks=tuple(item.name for item in results))
    inputs.keep(declaration.address, platform, part, store)
    inputs.keep_root(declaration.address, platform, part, store)
    return base.with_platform(platform, part)


def _refuse_other_root(lock: VersionLock, built: BaseImageBuild, platform: Platform) -> None:
    """Verifies that all platforms of a version use the same kind of root."""
    for other, part in lock.platforms.items():
        if other != platform and (part.debian is None) != (built.locked.debian is None):
            kinds = ["image" if item.debian is None else "debian" for item in (part, built.locked)]
            raise ImageError(
                f"cannot release {lock.declaration.address}: {other} has the root {kinds[0]}, but {platform} is "
                f"built on {kinds[1]}",
                advice=f"release with --root {kinds[0]}, or {other} again with --root {kinds[1]}",
            )


def _as_locked(declaration: Declaration) -> Declaration:
    """Returns the declaration as it is read from a lock."""
    return declare.from_document(locks.plain(declaration.document), str(declaration.address))


def finished(lock: VersionLock, built: BaseImageBuild, tools: Tools, today: datetime.date) -> BaseImageVersion | None:
    """Returns the released entry, or None while a platform is missing."""
    if lock.missing:
        return None
    return replace(build.entry_of(lock, built.image, tools.store), released=today)
