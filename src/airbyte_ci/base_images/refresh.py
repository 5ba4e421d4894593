"""Refreshing the catalogue from a registry: tags, digests and configurations → entries, and what does not agree.

A digest that the catalogue has is never changed because a tag was: connectors pin digests.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import semver

from airbyte_ci.base_images import ranges
from airbyte_ci.base_images.catalogue import BaseImageVersion, Catalogue
from airbyte_ci.base_images.declare import PYTHON_LABEL
from airbyte_ci.base_images.entry import JAVA_SERIES
from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_NAME, ImageConfig, Index, Manifest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Entries that are new or known better now, and one line for each that does not agree with the registry."""

    entries: tuple[BaseImageVersion, ...]
    new: int
    complaints: tuple[str, ...]


def refresh(
    repository: str,
    catalogue: Catalogue,
    registries: RegistryClient,
    store: Store,
    executor: Executor,
    progress: Callable[[str], None],
    *,
    accept: bool = False,
    here_only: Collection[BaseImageVersion] = (),
) -> Refreshed:
    """Reads one repository of any registry; raises RegistryError. `accept` takes overwritten tags over.

    Versions that are `here_only` were never published, so that the registry lacks them is no news.
    """
    place = Reference.parse(repository)
    tags = [tag for tag in registries.tags(place) if semver.Version.is_valid(tag)]
    progress(f"{len(tags)} versions of {repository}")
    known = {item.version: item for item in catalogue.of(repository)}
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
    """What people said of a version stays when its image is another."""
    if known is None:
        return item
    return replace(
        known, address=item.address, python=item.python, user=item.user, platforms=item.platforms, verified=True
    )


def _overwritten(
    moved: Iterable[str], known: Mapping[str, BaseImageVersion], digests: Mapping[str, Digest]
) -> list[str]:
    return [
        f"{known[tag].repository}:{tag} was overwritten: the catalogue has {_short(known[tag].address)}, the registry "
        f"now {digests[tag].short}; connectors keep what they pin (--accept takes the new one into the catalogue)"
        for tag in moved
    ]


def unpublished(own: Catalogue, shipped: Catalogue) -> frozenset[BaseImageVersion]:
    """The versions that were built or released here and never published: no registry has had them.

    What was read from a registry has neither a day nor a changelog, unless a person added one.
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
    """Digests that the registry no longer has: nobody can build on them any more."""
    complaints = []
    for item in known:
        if item.address.digest in digests.values():
            continue
        try:
            registries.resolve(Reference(item.address.registry, item.address.repository, None, item.address.digest))
        except BlobNotFound:
            complaints.append(
                f"{item.address.registry} no longer has {item.address.name} {item.version} ({_short(item.address)}): "
                "nothing can be built on it but where the store holds it"
            )
    return complaints


def _short(address: Reference) -> str:
    return address.digest.short if address.digest else "no digest"


def _read(
    repository: str, place: Reference, tag: str, digest: Digest, registries: RegistryClient, store: Store
) -> BaseImageVersion:
    """The entry of a tag, from its manifest and the configuration of its first platform; no layer is fetched."""
    address = place.with_tag(tag).with_digest(digest)
    found = registries.manifest(address)
    platforms: tuple[tuple[str, Digest], ...] = ()
    if isinstance(found, Index):
        # What has no platform is an attestation, not an image.
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
        raise BlobNotFound(f"{address} lists no image of a platform")
    return manifest


def _python(repository: str, config: ImageConfig) -> str:
    """As Docker's Python images and airbyte-ci's own state it; `0` (unknown) is admitted by no connector."""
    if repository.endswith(f"/{JAVA_SERIES}"):
        return ""
    label = (config.execution.get("Labels") or {}).get(PYTHON_LABEL)
    return config.environment.get("PYTHON_VERSION") or str(label or "0")
