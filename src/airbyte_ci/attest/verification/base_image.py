"""Verifies base images that airbyte-ci released: against their lock and provenance, and by a second build."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airbyte_ci.attest import base_provenance
from airbyte_ci.attest.statement import PROVENANCE
from airbyte_ci.attest.verification import claims, differences
from airbyte_ci.attest.verification.evidence import Claim, Evidence
from airbyte_ci.attest.verification.published import PublishedImage, PublishedRelease
from airbyte_ci.base_images.making import lock as locks
from airbyte_ci.base_images.making.lock import PlatformLock, VersionLock
from airbyte_ci.base_images.release import inputs
from airbyte_ci.base_images.release import rebuild as again
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, PlanError, RegistryError, SignatureError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools


def find_lock(digest: Digest, evidence: Evidence) -> VersionLock | None:
    """Returns the attached lock that names this index or image; None if no lock is attached.

    Anyone may attach a lock, so each is tried. Raises PlanError, with a reason for each, if none is readable and names
    the digest.
    """
    if not evidence.locks:
        return None
    reasons = []
    for content in evidence.locks:
        try:
            lock = locks.parse(content, f"attached to {digest.short}")
        except AirbyteCiError as error:
            reasons.append(error.message)
            continue
        if digest in _named(lock):
            return lock
        reasons.append(f"the attached lock of the base image names other images than {digest.short}")
    raise PlanError("; ".join(dict.fromkeys(reasons)))


def _named(lock: VersionLock) -> Iterator[Digest]:
    yield lock.index.digest
    yield from (part.manifest for part in lock.platforms.values())


def confirm_provenance(evidence: Evidence, digest: Digest, lock: VersionLock, keys: claims.Keys) -> str:
    """Returns what the provenance proves; raises SignatureError unless it names this lock and all its inputs."""

    def confirm(claim: Claim) -> None:
        found = claim.statement.predicate
        details = found.get("runDetails")
        expected = base_provenance.make(lock, _tool(details if isinstance(details, dict) else {}))
        for part in ("buildDefinition", "runDetails"):
            if found.get(part) != expected[part]:
                raise SignatureError(
                    f"its provenance has another {part} than its lock results in", error_id="provenance-mismatch"
                )

    claims.prove(evidence, PROVENANCE, digest, keys, confirm)
    return f"names the lock and all its inputs, {'signed' if keys else 'not verified by a key'}"


def _tool(details: Mapping[str, Any]) -> str:
    builder = details.get("builder")
    version = builder.get("version") if isinstance(builder, dict) else None
    return str(version.get("airbyte-ci")) if isinstance(version, dict) else ""


def part_of(lock: VersionLock, image: Image) -> PlatformLock:
    """Returns the inputs of the image's platform; raises PlanError."""
    part = lock.platforms.get(image.config.platform)
    if part is None:
        raise PlanError(f"its lock has no inputs for {image.config.platform}")
    return part


def rebuild(published: PublishedRelease, item: PublishedImage, lock: VersionLock, tools: Tools) -> None:
    """Raises ImageError that names the first differing layer and file unless a second build gives the same image."""
    platform, part = item.image.config.platform, part_of(lock, item.image)
    with tools.store.scratch() as folder:
        empty = replace(tools, store=Store(folder / "store"), confirm_base=None)
        place = published.of(published.digest)
        where = place.with_tag(lock.declaration.version)
        # The repository that is verified may be a mirror: its copy of the inputs is used first.
        with contextlib.suppress(RegistryError, BlobNotFound, ImageError):
            inputs.bring(where, platform, inputs.of(part), empty.store, empty.registries, empty.executor)
        for command in part.commands:
            if command.layer:
                empty.registries.pull_blob(place, command.layer.descriptor, empty.store)
        if part.debian is None:
            with contextlib.suppress(RegistryError, BlobNotFound, ImageError):
                empty.registries.pull(published.of(part.root), platform, empty.store)
        tools.say(f"building {platform} again")
        second = again.repeat(lock, empty, platform)
        if second.digest != item.image.digest:
            found = differences.describe(published, item.image, second, empty)
            raise ImageError(f"built again, it is another image: {found}", error_id="rebuild-differs")
