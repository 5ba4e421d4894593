"""Provenance of base images: computed from a version's lock, which is attached to the image. Same form as connectors'.

The lock has the declaration, every input by digest and the resulting images, so it is all that a rebuild needs; the
inputs themselves are published in the same repository (`base_images.release.inputs`).
"""

from collections.abc import Iterator

from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.attest.provenance import BUILDER, Json, resource
from airbyte_ci.attest.statement import PROVENANCE, Statement, attach_plain
from airbyte_ci.base_images.making.lock import PlatformLock, VersionLock
from airbyte_ci.oci.digest import Digest

BASE_LOCK = "application/vnd.airbyte-ci.base-image-lock.v1+json"
BUILD_TYPE = "urn:airbyte-ci:provenance:base-image:v1"


def write(lock: VersionLock, described: Digest, created: str, tool: str) -> tuple[Attachment, ...]:
    """Returns the lock and the unsigned provenance, to attach to the index or to one platform's image."""
    content = lock.dump().encode()
    statement = Statement(described, PROVENANCE, make(lock, tool), lock.declaration.repository)
    return (
        Attachment(BASE_LOCK, BASE_LOCK, content, {CREATED_ANNOTATION: created}),
        attach_plain(statement, created),
    )


def make(lock: VersionLock, tool: str) -> Json:
    """Returns the predicate, which is the same for all images of the version."""
    platforms = sorted(lock.platforms)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "repository": lock.declaration.repository,
                "version": lock.declaration.version,
                "platforms": [str(platform) for platform in platforms],
            },
            "internalParameters": {"lock": str(Digest.of(lock.dump().encode()))},
            "resolvedDependencies": [
                entry for platform in platforms for entry in _dependencies(str(platform), lock.platforms[platform])
            ],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"airbyte-ci": tool}},
            "byproducts": [
                {"name": "lock", "mediaType": BASE_LOCK, "digest": {"sha256": Digest.of(lock.dump().encode()).hex}}
            ],
        },
    }


def _dependencies(platform: str, part: PlatformLock) -> Iterator[Json]:
    """Yields every input of one platform."""
    if part.debian is None:
        yield resource("root", name=f"root image for {platform}", digest=part.root)
    for deb in part.debian.debs if part.debian else ():
        uri = f"pkg:deb/debian/{deb.package}@{deb.version}?arch={deb.architecture}"
        yield resource("deb", name=f"{deb.package} {deb.version}", uri=uri, digest=deb.digest)
    for wheel in part.wheels:
        yield resource("package", name=wheel.file, uri=f"pkg:pypi/{wheel.name}@{wheel.version}", digest=wheel.digest)
    for command in part.commands:
        if command.layer:
            shown = " ".join(command.arguments)[:80]
            yield resource("layer", name=f"layer of {shown!r}, uncompressed", digest=command.layer.diff_id)
