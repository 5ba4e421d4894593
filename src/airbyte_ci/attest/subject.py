"""The subject of attestations: one release of a connector, with everything that documents about it may state.

SBOMs, provenance and signatures are functions of a Subject and of the store; they read no clock, machine or user.
"""

import datetime
from dataclasses import dataclass

from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index, Platform
from airbyte_ci.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class SubjectImage:
    """One platform's image. `base_layers` counts the layers of its base image, which are the lowest."""

    image: Image
    plan: BuildPlan
    base_layers: int

    @property
    def platform(self) -> Platform:
        return self.plan.platform

    @property
    def descriptor(self) -> Descriptor:
        """Returns the descriptor of the manifest."""
        return self.image.manifest.descriptor


@dataclass(frozen=True, slots=True)
class SubjectFile:
    """A file of the connector that shapes its release: metadata, lock, customization. `path` is in the repository."""

    path: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """The repository at the time of the release.

    `remote` is an address without credentials, empty without a remote. `commit` is the full id and `time` its time of
    commit in seconds. `changes` are uncommitted files of the connector, by path in the repository.
    """

    remote: str
    commit: str
    time: int
    changes: tuple[str, ...] = ()

    @property
    def created(self) -> str:
        """Returns the commit's time in RFC 3339; it is the time of every document about the release."""
        return datetime.datetime.fromtimestamp(self.time, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectConnector:
    """The connector as its files describe it. `folder` is its path in the repository; texts are empty if missing."""

    name: str
    folder: str
    version: str
    language: str
    license: str
    title: str
    documentation: str
    files: tuple[SubjectFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A release: the repository in a registry (no tag, no digest), the tag, and the index of all platforms' images.

    `source` is None for an image that was built outside of a git repository. `tool` is airbyte-ci's version.
    """

    repository: Reference
    tag: str
    connector: SubjectConnector
    images: tuple[SubjectImage, ...]
    index: Index
    source: SourceState | None
    tool: str

    @property
    def created(self) -> str:
        """Returns the time of all documents, RFC 3339: the commit's, else the images' own."""
        return self.source.created if self.source else self.images[0].plan.created
