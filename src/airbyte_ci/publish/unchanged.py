"""Whether a release would change anything for its users, compared with what is published.

Two images are the same in effect if their layers and their configurations are equal, whatever version their labels
name. A fix in the base's packages is another layer, so it is a change.
"""

from typing import Any

from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.oci.image import Image, Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish import tags
from airbyte_ci.publish.release import ConnectorRelease
from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.registry.target import TargetRepository

_VERSION_LABEL = "io.airbyte.version"
# So many pre-releases of the same version are compared; they have no order.
_MOST = 50


def find(
    release: ConnectorRelease,
    version: str,
    repository: Reference,
    target: TargetRepository,
    registries: RegistryClient,
    store: Store,
) -> str:
    """Returns the published tag that is the same in effect; empty if there is none.

    These are the newest version and, for a pre-release, the version itself and its other pre-releases. A release whose
    own tag exists is not skipped, because it may have to be completed.
    """
    names = target.tags()
    if release.tag in names:
        return ""
    candidates = [tags.newest(names)]
    if not release.is_version:
        candidates.append(version)
        candidates += [item for item in names if tags.is_development(item) and item.startswith(f"{version}-")][:_MOST]
    for name in dict.fromkeys(candidates):
        if name in names and _is_same(release, target, name, repository, registries, store):
            return name
    return ""


def _is_same(
    release: ConnectorRelease,
    target: TargetRepository,
    tag: str,
    repository: Reference,
    registries: RegistryClient,
    store: Store,
) -> bool:
    found = target.read_tag(tag)
    if not isinstance(found, Index):
        return False
    if found.digest == release.digest:
        return True
    for part in release.images:
        image = store.image(part.digest)
        try:
            other = found.select(image.config.platform, tag)
            published = registries.image(repository.with_digest(other.digest), image.config.platform, store)
        except (BlobNotFound, ImageError):
            return False
        if _effect(image) != _effect(published):
            return False
    return len(release.images) == len(found.manifests)


def _effect(image: Image) -> Any:  # noqa: ANN401  # JSON
    """Returns everything of an image that a user could notice, except for the version that its label names."""
    execution = image.config.execution
    labels = {key: text for key, text in (execution.get("Labels") or {}).items() if key != _VERSION_LABEL}
    return [str(item) for item in image.config.diff_ids], {**execution, "Labels": labels}
