"""Refreshes the catalog from a registry: reads tags, digests and configurations, and reports conflicts.

A changed tag never changes a digest in the catalog, because connectors pin digests.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import semver

from airbyte_ci.base_images.catalog import ranges
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.base_images.catalog.entry import JAVA_SERIES
from airbyte_ci.base_images.declaration.declare import PYTHON_LABEL
from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_NAME, ImageConfig, Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Entries that were added or updated, and one line for each that conflicts with the registry."""

    entries: tuple[BaseImageVersion, ...]
    new: int
    complaints: tuple[str, ...]


def refresh(
    repository: str,
    catalog: Catalog,
    registries: RegistryClient,
    store: Store,
    executor: Executor,
    progress: Callable[[str], None],
    *,
    accept: bool = False,
    here_only: Collection[BaseImageVersion] = (),
) -> Refreshed:
    """Reads one repository of a registry; raises RegistryError. `accept` accepts overwritten tags.

    Versions in `here_only` were never published, so the registry is expected to lack them.
    """
    place = Reference.parse(repository)
    tags = [tag for tag in registries.tags(place) if semver.Version.is_valid(tag)]
    progress(f"{len(tags)} versions of {repository}")
    known = {item.version: item for item in catalog.of(repository)}
    digests = dict(
        zip(tags, executor.map(lambda tag: registries.resolve(place.with_tag(tag)).digest, tags), strict=True)
    )
    moved = [tag for tag, digest in digests.items() if tag in known and known[tag].address.digest != digest]
    wanted = [tag for tag in tags if tag not in known or (accept and tag in moved)]
    read = executor.map(lambda tag: _read(repository, place, tag, digests[tag], registries, store), wanted)
    entries = [_keeping(item, known.get(item.version)) for item in read]
    confirmed = [
        replace(item, verified=True)
        for tag, item in known.items()
        if digests.get(tag) == item.address.digest and not item.verified
    ]
    expected = [item for item in known.values() if item not in here_only]
    complaints = [*([] if accept else _overwritten(moved, known, digests)), *_gone(expected, digests, registries)]
    return Refreshed((*entries, *confirmed), sum(item.version not in known for item in entries), tuple(complaints))


def _keeping(item: BaseImageVersion, known: BaseImageVersion | None) -> BaseImageVersion:
    """Keeps the fields that people wrote when the image of a version changes."""
    if known is None:
        return item
    return replace(
        known, address=item.address, python=item.python, user=item.user, platforms=item.platforms, verified=True
    )


def _overwritten(
    moved: Iterable[str], known: Mapping[str, BaseImageVersion], digests: Mapping[str, Digest]
) -> list[str]:
    return [
        f"{known[tag].repository}:{tag} was overwritten: the catalog has {_short(known[tag].address)}, the registry "
        f"now has {digests[tag].short}; connectors keep the pinned digest (--accept adds the new one to the catalog)"
        for tag in moved
    ]


def unpublished(own: Catalog, shipped: Catalog) -> frozenset[BaseImageVersion]:
    """Returns the versions that were built or released here and never published.

    Entries that were read from a registry have neither a date nor a changelog, unless a person added one.
    """
    others = {(item.repository, item.version) for item in shipped.versions}
    return frozenset(
        item
        for item in own.versions
        if item.published is None
        and (item.released or item.changelog)
        and (item.repository, item.version) not in others
    )


def _gone(known: Iterable[BaseImageVersion], digests: Mapping[str, Digest], registries: RegistryClient) -> list[str]:
    """Returns one line for each digest that the registry no longer has."""
    complaints = []
    for item in known:
        if item.address.digest in digests.values():
            continue
        try:
            registries.resolve(Reference(item.address.registry, item.address.repository, None, item.address.digest))
        except BlobNotFound:
            complaints.append(
                f"{item.address.registry} no longer has {item.address.name} {item.version} ({_short(item.address)}): "
                "builds on it fail unless the store has it"
            )
    return complaints


def _short(address: Reference) -> str:
    return address.digest.short if address.digest else "no digest"


def _read(
    repository: str, place: Reference, tag: str, digest: Digest, registries: RegistryClient, store: Store
) -> BaseImageVersion:
    """Returns the entry of a tag from its manifest and its first platform's configuration; fetches no layers."""
    address = place.with_tag(tag).with_digest(digest)
    found = registries.manifest(address)
    platforms: tuple[tuple[str, Digest], ...] = ()
    if isinstance(found, Index):
        # A manifest without a platform is an attestation, not an image.
        described = [item for item in found.manifests if item.platform and item.platform.os == "linux"]
        platforms = tuple((str(item.platform), item.digest) for item in described)
        found = _image(registries, address, described[0].digest if described else digest)
    registries.pull_blob(address, found.config, store)
    config = ImageConfig.parse(store.read(found.config.digest), f"configuration of {address}")
    if not platforms:
        platforms = ((str(config.platform), digest),)
    known = ranges.of(repository, tag)
    return BaseImageVersion(
        repository=repository,
        version=tag,
        address=address,
        python=_python(repository, config),
        user=str(config.execution.get("User") or "root"),
        platforms=platforms,
        built_on=found.annotations.get(BASE_NAME, "") or known.built_on,
        cautions=known.cautions,
    )


def _image(registries: RegistryClient, address: Reference, digest: Digest) -> Manifest:
    manifest = registries.manifest(address.with_digest(digest))
    if not isinstance(manifest, Manifest):
        raise BlobNotFound(f"{address} contains no image for any platform")
    return manifest


def _python(repository: str, config: ImageConfig) -> str:
    """Returns the Python version that Docker's and airbyte-ci's images record; `0` (unknown) fits no connector."""
    if repository.endswith(f"/{JAVA_SERIES}"):
        return ""
    label = (config.execution.get("Labels") or {}).get(PYTHON_LABEL)
    return config.environment.get("PYTHON_VERSION") or str(label or "0")
