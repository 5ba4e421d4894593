"""Publishes a released version: pushes and confirms one index for all platforms; never overwrites a version."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from airbyte_ci.base_images.catalog import standing
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.making.lock import VersionLock
from airbyte_ci.base_images.release import inputs
from airbyte_ci.errors import BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient


class Attach(Protocol):
    """Pushes the documents about a version that is pushed by its digest, or has its tag already."""

    def __call__(self, *, is_tagged: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Published:
    """The catalog entry; `already` if the registry already had it. `inputs` is the number of published input files."""

    entry: BaseImageVersion
    already: bool
    inputs: int


def publish(
    catalog: Catalog,
    entry: BaseImageVersion,
    lock: VersionLock,
    store: Store,
    registries: RegistryClient,
    today: datetime.date,
    progress: Callable[[str], None],
    attach: Attach | None = None,
) -> Published:
    """Publishes a version. Raises ImageError if it may not be published or the tag is taken, and RegistryError.

    `attach` pushes documents about the images, which precede the tag.
    """
    doing = f"cannot publish {entry.address.with_tag(entry.version)}"
    _refuse(catalog, entry, lock, today, doing)
    store.put(lock.index.raw)
    already = _is_there(entry, registries, doing)
    if not already:
        for platform in lock.platforms:
            progress(f"pushing the inputs of {platform}")
            _inputs(lock, platform, store, registries)
        progress("pushing the image")
        _push(lock.index.digest, Reference(entry.address.registry, entry.address.repository), store, registries)
        if attach:
            attach(is_tagged=False)
        _push(lock.index.digest, entry.address.with_tag(entry.version), store, registries)
        for platform in lock.platforms:
            _root(lock, platform, store, registries, progress)
    elif attach:
        attach(is_tagged=True)
    found = registries.resolve(entry.address.with_tag(entry.version)).digest
    if found != entry.address.digest:
        raise ImageError(f"{doing}: {entry.address.registry} now has {found.short}; someone else pushed this tag")
    return Published(
        replace(entry, published=entry.published or today, verified=True),
        already,
        sum(len(inputs.of(part)) for part in lock.platforms.values()),
    )


def stage(
    lock: VersionLock, platform: Platform, store: Store, registries: RegistryClient, progress: Callable[[str], None]
) -> None:
    """Pushes a platform of an unfinished version by digest only, so that another machine can finish it."""
    address = lock.declaration.address
    _inputs(lock, platform, store, registries)
    _push(lock.platforms[platform].manifest, Reference(address.registry, address.repository), store, registries)
    _root(lock, platform, store, registries, progress)


def _inputs(lock: VersionLock, platform: Platform, store: Store, registries: RegistryClient) -> None:
    """Pushes a platform's inputs, unless the machine that built it has already pushed them."""
    address, part = lock.declaration.address, lock.platforms[platform]
    target = inputs.place(address, platform)
    try:
        digest = inputs.keep(address, platform, part, store)
    except ImageError as error:
        try:
            registries.resolve(target)
        except BlobNotFound:
            raise error from None
        return
    _push(digest, target, store, registries)


def _root(
    lock: VersionLock, platform: Platform, store: Store, registries: RegistryClient, progress: Callable[[str], None]
) -> None:
    """Pushes a root image after its version, which contains its layers, so that only a few kilobytes are sent.

    Skips a root that the building machine has pushed. A missing root is reported, because the version works without it.
    """
    address, part, declared = lock.declaration.address, lock.platforms[platform], lock.declaration.image_root
    if part.debian is not None or declared is None:
        return
    target = inputs.root_place(address, platform)
    try:
        inputs.keep_root(address, platform, part, store)
    except BlobNotFound:
        if _has(registries, target, part.root):
            return
        try:
            registries.pull(declared.with_digest(part.root), platform, store)
        except (RegistryError, BlobNotFound) as error:
            progress(f"cannot publish the root: {error.message}")
            return
        inputs.keep_root(address, platform, part, store)
    _push(part.root, target, store, registries)


def _push(digest: Digest, target: Reference, store: Store, registries: RegistryClient) -> None:
    """Pushes a manifest with its blobs under the target's tag, or by digest only without a tag.

    Blobs that the store lacks may already exist at the target.
    """
    registries.push(store, digest, target, sources=(Reference(target.registry, target.repository),))


def _has(registries: RegistryClient, target: Reference, digest: Digest) -> bool:
    try:
        return registries.resolve(target).digest == digest
    except BlobNotFound:
        return False


def _refuse(catalog: Catalog, entry: BaseImageVersion, lock: VersionLock, today: datetime.date, doing: str) -> None:
    standing.refuse(catalog, str(entry.address), doing)
    if entry.is_expired(today) and entry.published is None:
        raise ImageError(
            f"{doing}: its support ended on {entry.supported_until}",
            advice="release a version that is supported",
        )
    if entry.released is None:
        raise ImageError(f"{doing}: it was built but not released", advice="airbyte-ci base-images release FILE")
    if lock.index.digest != entry.address.digest:
        raise ImageError(
            f"{doing}: its lock is for {lock.index.digest.short}, but the catalog has {entry.address.digest}",
            advice="restore both from git",
        )


def _is_there(entry: BaseImageVersion, registries: RegistryClient, doing: str) -> bool:
    try:
        found = registries.resolve(entry.address.with_tag(entry.version)).digest
    except BlobNotFound:
        return False
    if found != entry.address.digest:
        raise ImageError(
            f"{doing}: {entry.address.registry} already has a different image of this version, {found.short}",
            advice="increase `version` and release again; published versions are never overwritten",
            error_id="tag-exists",
        )
    return True
