"""Publishes one connector: builds all platforms, gathers what the release is, and pushes it."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_ci.attest import gather
from airbyte_ci.attest.subject import SourceState, Subject, SubjectImage
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images import base, job
from airbyte_ci.images.job import Done
from airbyte_ci.images.order import Order
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.publish import (
    artifacts,
    attachments,
    package_index_upload,
    python_package,
    refusals,
    release,
    source,
    tags,
    unchanged,
)
from airbyte_ci.publish.options import PublishOptions
from airbyte_ci.publish.package_index_upload import UploadTarget
from airbyte_ci.publish.release import ConnectorRelease, Publication, ReleasePart
from airbyte_ci.python.environment.tools import Tools

# Connectors on one base image would all read its layers at once, for the first of their documents.
_WRITING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedConnector:
    """A release and what became of it.

    `publication` is None if nothing was pushed: for a dry run, or because it is `unchanged` since the named tag.
    `blocked` is the reason of a block that was ignored, `package` the record of the Python package.
    """

    subject: Subject
    release: ConnectorRelease
    done: tuple[Done, ...]
    publication: Publication | None
    already: bool
    unchanged: str
    blocked: str
    package: Mapping[str, Any]
    seconds: float

    @property
    def address(self) -> str:
        """Returns the release's address with its digest."""
        reference = self.subject.repository.with_tag(self.subject.tag)
        return str(reference.with_digest(self.release.digest))

    @property
    def unverified(self) -> str:
        """Returns the platforms in which `spec` did not run, with the reason; empty if there is none."""
        found = [f"{item.platform}: {item.unverified}" for item in self.done if item.unverified]
        return "; ".join(found)

    @property
    def record(self) -> dict[str, Any]:
        """Returns the facts of the release that do not depend on when and where it was published."""
        return {
            "address": self.address,
            "repository": str(self.subject.repository),
            "tag": self.subject.tag,
            "version": self.subject.connector.version,
            "digest": str(self.release.digest),
            "platforms": [_platform(item) for item in self.done],
            "size": sum(layer.size for layer in self._layers),
            "attachments": [document for part in self.release.parts for document in part.to_json()],
            **({"ignoredBlock": self.blocked} if self.blocked else {}),
            **_source(self.subject.source),
        }

    def to_json(self) -> dict[str, Any]:
        """Returns the record of the release and of this publication, for machines."""
        return {
            **self.record,
            **({"package": dict(self.package)} if self.package else {}),
            "already": self.already,
            "pushed": self.publication is not None and not self.already,
            **({"latest": self.publication.latest} if self.publication and self.publication.latest else {}),
            **({"unchanged": self.unchanged} if self.unchanged else {}),
            "seconds": round(self.seconds, 3),
        }

    @property
    def _layers(self) -> Sequence[Any]:
        found = {layer.digest: layer for item in self.done for layer in item.image.manifest.layers}
        return tuple(found.values())


def _platform(item: Done) -> Mapping[str, Any]:
    return {
        "platform": str(item.platform),
        "digest": str(item.image.digest),
        "size": sum(layer.size for layer in item.image.manifest.layers),
        "plan": item.built.plan,
        "baseImage": item.built.base,
        "spec": "ok" if item.verified else f"not run: {item.unverified}",
    }


def _source(state: SourceState | None) -> Mapping[str, Any]:
    if state is None:
        return {}
    dirty = {"uncommitted": list(state.changes)} if state.changes else {}
    return {"commit": state.commit, **({"source": state.remote} if state.remote else {}), **dirty}


def read_early(
    connector: Connector, options: PublishOptions, configuration: Configuration, warning: str
) -> tuple[SourceState, str]:
    """Returns the commit, and the reason of a block that is ignored. Raises ConnectorError if it must not be published.

    `warning` says why its base image must not be used, empty if it may be. No registry is asked.
    """
    refusals.refuse_version(connector, is_main=options.is_main)
    blocked = refusals.refuse_blocked(connector, options.ignored_block)
    refusals.refuse_base(connector, warning)
    state = source.read_source(connector, configuration)
    refusals.refuse_uncommitted(connector, state.changes, is_allowed=options.allows_dirty)
    options.repository(connector)
    if options.index:
        python_package.find_name(connector)
    return state, blocked


def find_platforms(
    connector: Connector, options: PublishOptions, tools: Tools, native: Platform
) -> tuple[Platform, ...]:
    """Returns the platforms to publish: the requested ones, else all of the base image."""
    return options.platforms or base.find_platforms(tools, base.address(connector, None), native)


def publish(
    connector: Connector,
    options: PublishOptions,
    order: Order,
    configuration: Configuration,
    state: SourceState,
    tools: Tools,
    *,
    blocked: str,
    keep: Callable[[Sequence[Done]], None],
) -> PublishedConnector:
    """Builds and publishes a connector. Raises AirbyteCiError; then no tag points to something incomplete.

    `keep` records the builds.
    """
    started = time.monotonic()
    done = job.make(connector, order, tools)
    keep(done)
    folders = [folder for item in done for folder in item.built.folders]
    state = source.read_again(state, connector, configuration, folders)
    refusals.refuse_uncommitted(connector, state.changes, is_allowed=options.allows_dirty)
    subject = _subject(connector, options, done, state, tools)
    made = _release(subject, options, done, tools)
    target = tools.registries.target(subject.repository)
    same = ""
    if options.skips_unchanged:
        same = unchanged.find(made, connector.version, subject.repository, target, tools.registries, tools.store)
    publication = None
    already = False
    if options.is_dry:
        already = release.confirm_publishable(made, target)
    elif not same:
        publication = release.publish(made, target, tools.store, tools.say)
        already = publication.already
    package: Mapping[str, Any] = {}
    if options.index and publication and (name := python_package.find_name(connector)):
        package = _publish_package(connector, name, options, order, state, tools, options.index)
    found = PublishedConnector(
        subject=subject,
        release=made,
        done=tuple(done),
        publication=publication,
        already=already,
        unchanged=same,
        blocked=blocked,
        package=package,
        seconds=time.monotonic() - started,
    )
    if options.artifacts and publication:
        artifacts.write(
            options.artifacts, connector, configuration, subject, release=made, record=found.record, store=tools.store
        )
    return found


def _publish_package(
    connector: Connector,
    name: str,
    options: PublishOptions,
    order: Order,
    state: SourceState,
    tools: Tools,
    index: UploadTarget,
) -> Mapping[str, Any]:
    """Builds and uploads the Python package; returns its record."""
    version = python_package.find_version(connector, state.time, is_main=options.is_main)
    tools.say("building the Python package")
    package = python_package.build(connector, name, version, tools, order.native)
    tools.say("uploading the Python package")
    return python_package.to_json(package, index.shown, package_index_upload.upload(package, index, tools.store))


def _subject(
    connector: Connector, options: PublishOptions, done: Sequence[Done], state: SourceState, tools: Tools
) -> Subject:
    images = [gather.subject_image(tools.store, item.image, item.built.base_layers) for item in done]
    return gather.of_build(
        connector,
        images,
        repository=options.repository(connector),
        tag=options.tag(connector, state.commit),
        source=state,
    )


def _release(subject: Subject, options: PublishOptions, done: Sequence[Done], tools: Tools) -> ConnectorRelease:
    """Returns the release with its attachments. The index is in the store afterwards."""
    tools.store.put(subject.index.raw)
    tools.say("attachments")

    def part(image: SubjectImage | None) -> ReleasePart:
        if not options.attaches:
            return ReleasePart(image.image.manifest if image else subject.index)
        with _WRITING:
            return attachments.write(subject, image, tools, options.signing, options.writers)

    version = tags.parse_version(subject.connector.version, subject.connector.name)
    return ConnectorRelease(
        images=tuple(map(part, subject.images)),
        index=part(None),
        tag=subject.tag,
        is_version=options.is_main,
        moves_latest=options.is_main and not tags.is_candidate(version),
        sources=_sources(done),
    )


def _sources(done: Sequence[Done]) -> tuple[Reference, ...]:
    return job.find_sources([item.built for item in done])
