"""Releases of random images for tests, and what a registry must hold for each of its tags."""

from dataclasses import replace

from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Index, Manifest, Platform, parse_manifest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish.release import ConnectorRelease, ReleasePart
from airbyte_ci.testing.contents import RegistryContents
from airbyte_ci.testing.images import AMD64, random_image

PLATFORMS = (AMD64, Platform("linux", "arm64"))


def make_release(store: Store, tag: str = "1.0.0", *, seed: int = 0, documents: int = 2) -> ConnectorRelease:
    """Adds an index with an image for each of two platforms to the store; each part has so many documents."""
    images = [
        random_image(store, seed=seed * 10 + number, platform=platform) for number, platform in enumerate(PLATFORMS)
    ]
    entries = (replace(image.manifest.descriptor, platform=image.config.platform) for image in images)
    index = Index.make(tuple(entries), {})
    store.put(index.raw)
    is_version = "-dev." not in tag
    return ConnectorRelease(
        images=tuple(ReleasePart(image.manifest, _documents(image.digest, documents)) for image in images),
        index=ReleasePart(index, _documents(index.digest, documents)),
        tag=tag,
        is_version=is_version,
        moves_latest=is_version and "-" not in tag,
    )


def _documents(about: Digest, count: int) -> tuple[Attachment, ...]:
    media_type = "application/vnd.example.note"
    return tuple(
        Attachment(f"{media_type}.{number}", media_type, f"{about} {number}".encode()) for number in range(count)
    )


def damages(contents: RegistryContents, repository: str, releases: dict[str, ConnectorRelease]) -> list[str]:
    """Returns what each tag of a version lacks: blobs, manifests, listed attachments."""
    found = contents.repositories.get(repository)
    if found is None:
        return []
    wrong: list[str] = []
    by_digest = {release.digest: release for release in releases.values()}
    for tag, digest in found.tags.items():
        if tag.startswith("sha256-"):
            continue
        release = by_digest.get(digest)
        if release is None or (tag != "latest" and releases[tag] is not release):
            wrong.append(f"{tag} points to {digest}")
            continue
        for part in release.parts:
            stored = found.manifests.get(part.digest)
            if stored is None:
                wrong.append(f"{tag}: {part.digest} is missing")
                continue
            manifest = parse_manifest(stored.raw, "a stored manifest")
            if isinstance(manifest, Manifest):
                needed = {*manifest.blobs}
                wrong += [f"{tag}: blob {blob} is missing" for blob in needed - found.blobs]
            expected = {item.manifest(part.manifest.descriptor).digest for item in part.attachments}
            wrong += [
                f"{tag}: attachment {item} is missing" for item in expected - listed(contents, repository, part.digest)
            ]
    return wrong


def listed(contents: RegistryContents, repository: str, subject: Digest) -> set[Digest]:
    """Returns the existing attachments that the registry lists for a subject, by its API or by the fallback tag."""
    found = contents.repositories[repository]
    existing = {digest for digest, item in found.manifests.items() if item.subject == subject}
    tagged = found.tags.get(f"sha256-{subject.hex}")
    if tagged is None:
        return existing
    index = parse_manifest(found.manifests[tagged].raw, "the list")
    assert isinstance(index, Index)
    return existing & {item.digest for item in index.manifests}
