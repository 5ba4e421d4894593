"""Publishes one release to a repository: every document before the image it is about is visible, tags last.

The order: the blobs and the manifest of each platform's image, its attachments (for all platforms at once), the index,
its attachments, the version's tag, `latest`. So a publisher that is killed leaves no tag that points to something
incomplete, and the next one pushes what is missing. Registries have no compare-and-swap: tags are read just before and
after they are written.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from airbyte_ci.attest.attachment import Attachment, kind_of
from airbyte_ci.errors import RegistryError
from airbyte_ci.oci.artifact import EMPTY
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish import tags
from airbyte_ci.registry.parallel import each
from airbyte_ci.registry.referrers import Artifact, SmallBlob
from airbyte_ci.registry.target import TargetRepository

# Publishers of several versions may move `latest` at the same time; after this many conflicts the command fails.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class ReleasePart:
    """An image or index of a release, with the documents that are attached to it.

    `legacy` are manifests of the store by tag: signatures for readers that know no attachments.
    """

    manifest: Manifest | Index
    attachments: tuple[Attachment, ...] = ()
    legacy: Mapping[str, Digest] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

    def to_json(self) -> list[dict[str, str]]:
        """Returns what each document is about, its type, and the digest of its manifest."""
        described = self.manifest.descriptor
        return [
            {"about": str(self.digest), "type": item.artifact_type, "digest": str(item.manifest(described).digest)}
            for item in self.attachments
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorRelease:
    """What to publish: the images of all platforms, their index, and the tag, which is never moved.

    With `moves_latest`, `latest` points to the release if its tag is the newest version. `is_version` tells that the
    tag is a version, which must not be below the newest one. `sources` may have layers that the store lacks.
    """

    images: tuple[ReleasePart, ...]
    index: ReleasePart
    tag: str
    is_version: bool
    moves_latest: bool
    sources: tuple[Reference, ...] = ()

    @property
    def digest(self) -> Digest:
        return self.index.digest

    @property
    def parts(self) -> tuple[ReleasePart, ...]:
        """Returns the images and the index, in the order of pushing."""
        return (*self.images, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a publisher did. `already` if the tag pointed to the release before; `latest` is the version it names."""

    already: bool
    attached: int
    latest: str


def publish(
    release: ConnectorRelease, target: TargetRepository, store: Store, say: Callable[[str], None]
) -> Publication:
    """Publishes the release, or completes it. Raises RegistryError, and ImageError for wrong content."""
    already = confirm_publishable(release, target)
    attached: list[int] = []

    def complete(part: ReleasePart, _stop: threading.Event | None = None) -> None:
        is_new = target.push(store, part.digest, release.sources)
        attached.append(attach(part, target, store, release.sources, is_tagged=already, is_new=is_new))

    say("pushing the image")
    each(release.images, len(release.images), complete)
    say("pushing the index")
    complete(release.index)
    if not already and not _is_published(release, target):
        say(f"setting {release.tag}")
        target.write_tag(release.tag, release.index.manifest)
    _confirm(release, target)
    latest = _move_latest(release, target) if release.moves_latest else ""
    return Publication(already=already, attached=sum(attached), latest=latest)


def confirm_publishable(release: ConnectorRelease, target: TargetRepository) -> bool:
    """Returns whether the release is published already.

    Raises RegistryError if its tag points to anything else, or a newer version is published.
    """
    already = _is_published(release, target)
    if not already and release.is_version:
        tags.refuse_older(release.tag, target.tags(), str(target))
    return already


def _is_published(release: ConnectorRelease, target: TargetRepository) -> bool:
    """Whether the tag points to the release; raises RegistryError if it points to anything else."""
    found = target.find_tag(release.tag)
    if found is not None and found != release.digest:
        raise _taken(release, target, found)
    return found is not None


def _taken(release: ConnectorRelease, target: TargetRepository, found: Digest) -> RegistryError:
    is_development = tags.is_development(release.tag)
    return RegistryError(
        f"{target}:{release.tag} is already published with other content (there: {found}, here: {release.digest})",
        advice="commit the changes: another commit has another tag"
        if is_development
        else "increase the version with bump_version; published versions are never overwritten",
        error_id="tag-exists",
    )


def attach(
    part: ReleasePart,
    target: TargetRepository,
    store: Store,
    sources: Sequence[Reference],
    *,
    is_tagged: bool,
    is_new: bool = False,
) -> int:
    """Attaches the documents of a pushed image or index, and returns how many are new.

    To a release that is tagged already, only those of a kind that it has none of are attached: documents of another
    commit or version of airbyte-ci about the same image are not doubled, and a later signature is still added.
    `is_new` tells that the repository lacked the image or index until this command pushed it.
    """
    wanted = part.attachments
    if is_tagged and wanted:
        kinds = {kind_of(item.artifact_type, item.descriptor.annotations) for item in target.referrers(part.digest)}
        wanted = tuple(item for item in wanted if item.kind not in kinds)
    artifacts = [make_artifact(item, part.manifest.descriptor) for item in wanted]
    attached = target.attach(store, part.digest, artifacts, sources, is_new=is_new) if artifacts else 0
    for tag, digest in part.legacy.items():
        if target.find_tag(tag) != digest:
            target.push(store, digest, ())
            target.write_tag(tag, store.manifest(digest))
    return attached


def make_artifact(attachment: Attachment, described: Descriptor) -> Artifact:
    """Returns an attachment of an image or index as a registry stores it."""
    manifest = attachment.manifest(described)
    contents = (SmallBlob(manifest.config, EMPTY), SmallBlob(manifest.layers[0], attachment.content))
    return Artifact(manifest, contents, attachment.more)


def _confirm(release: ConnectorRelease, target: TargetRepository) -> None:
    """Raises RegistryError unless the tag still points to the release, read as bytes instead of by its header."""
    found = target.read_tag(release.tag)
    if found is None:
        raise RegistryError(f"{target}:{release.tag} was removed while it was published", advice="publish again")
    if found.digest != release.digest:
        raise _taken(release, target, found.digest)


def _move_latest(release: ConnectorRelease, target: TargetRepository) -> str:
    """Points `latest` to the release if no newer version exists; returns the version that it names then.

    Another publisher may tag a newer version between the look and the write: then `latest` is moved to that version.
    """
    newest = tags.newest((*target.tags(), release.tag))
    if newest != release.tag:
        return newest
    for _ in range(_ATTEMPTS):
        manifest = release.index.manifest if newest == release.tag else target.read_tag(newest)
        if manifest is None:
            raise RegistryError(f"{target}:{newest} was removed while `latest` was set", advice="publish again")
        found = target.read_tag(tags.LATEST)
        if found is not None and found.digest == manifest.digest:
            return newest
        target.write_tag(tags.LATEST, manifest)
        newest = tags.newest((*target.tags(), release.tag))
    raise RegistryError(f"other publishers keep changing {target}:{tags.LATEST}", advice="publish again")
