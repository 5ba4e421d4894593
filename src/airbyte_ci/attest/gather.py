"""Gathers the Subject of a release: from a connector's folder, git, and images in the store.

`of_build` is for images that were just built; a subject for a published image has the same type.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import airbyte_ci
from airbyte_ci.attest.subject import SourceState, Subject, SubjectConnector, SubjectFile, SubjectImage
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError
from airbyte_ci.git import commits, forge
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.images.summary import PLAN_DIGEST
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Image, Index
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store

# Files of a connector's folder that shape its image or its release, in addition to the code's own layer.
SHAPING_FILES = (
    "metadata.yaml",
    "pyproject.toml",
    "setup.py",
    "poetry.lock",
    "uv.lock",
    "pylock.toml",
    "requirements.txt",
    "build_customization.py",
    "build_customization.yaml",
    "manifest.yaml",
    "components.py",
)


def of_build(
    connector: Connector,
    images: Sequence[SubjectImage],
    *,
    repository: Reference,
    tag: str,
    source: SourceState | None,
) -> Subject:
    """Returns the subject of images that were built from the connector's folder as it is now."""
    return Subject(
        repository=Reference(repository.registry, repository.repository),
        tag=tag,
        connector=_connector(connector),
        images=tuple(images),
        index=make_index(images),
        source=source,
        tool=airbyte_ci.__version__,
    )


def make_index(images: Sequence[SubjectImage]) -> Index:
    """Returns the index of a release. Only the images determine it, so equal images are equal releases."""
    entries = (replace(item.descriptor, platform=item.image.config.platform) for item in images)
    return Index.make(tuple(sorted(entries, key=lambda item: str(item.platform))), {})


def subject_image(store: Store, image: Image, base_layers: int) -> SubjectImage:
    """Returns an image of the store with its plan; raises ImageError for one that airbyte-ci did not build."""
    named = image.manifest.annotations.get(PLAN_DIGEST)
    if named is None:
        raise ImageError(f"image {image.digest.short} names no build plan: another tool built it")
    return SubjectImage(image, BuildPlan.from_json(load_json(store.read(Digest.parse(named)))), base_layers)


def source_state(root: Path, folders: Sequence[str]) -> SourceState | None:
    """Returns the state of the repository and the folders' uncommitted files; None without a commit."""
    head = commits.head(root)
    if head is None:
        return None
    hosted = forge.of(root)
    return SourceState(
        remote=hosted.page if hosted else "",
        commit=head.id,
        time=head.time,
        changes=commits.uncommitted_files(root, folders),
    )


def _connector(connector: Connector) -> SubjectConnector:
    def text(key: str) -> str:
        value = connector.data.get(key)
        return str(value) if value is not None else ""

    prefix = "" if connector.relative == "." else f"{connector.relative}/"
    return SubjectConnector(
        name=connector.name,
        folder=connector.relative,
        version=connector.version,
        language=connector.language or "",
        license=text("license"),
        title=text("name"),
        documentation=text("documentationUrl"),
        files=tuple(
            SubjectFile(f"{prefix}{name}", Digest.of((connector.folder / name).read_bytes()))
            for name in SHAPING_FILES
            if name in connector.names
        ),
    )
