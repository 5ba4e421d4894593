"""Publishes the inputs of a released version as an artifact in its registry, so that it can be built again.

The artifact's blobs are the files: Debian packages and wheels. Each platform has its own artifact, because each may be
built on a different machine. A root image is published as an image in the same repository.
"""

import contextlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from airbyte_ci.base_images.making.lock import PlatformLock
from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CONFIG, Descriptor, Manifest, Platform, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient

INPUT = "application/vnd.airbyte-ci.input.v1"
_SHOWN = 5
_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, slots=True)
class Input:
    """An input file of a version."""

    name: str
    digest: Digest


def of(part: PlatformLock) -> tuple[Input, ...]:
    """Returns the input files of a platform, each once. Layers that commands made are in the image itself."""
    debs = part.debian.debs if part.debian else ()
    files = [
        *(Input(item.file_name, item.digest) for item in debs),
        *(Input(item.file, item.digest) for item in part.wheels),
    ]
    return tuple({item.digest: item for item in files}.values())


def artifact(part: PlatformLock, store: Store) -> Digest:
    """Writes the manifest of a platform's inputs to the store; raises ImageError that names inputs the store lacks."""
    files = sorted(of(part), key=lambda item: (item.name, item.digest))
    if lacking := [item.name for item in files if not store.has(item.digest)]:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise ImageError(
            f"cannot save the inputs of a base image: the store no longer has {', '.join(lacking[:_SHOWN])}{more}",
            advice="publish from the machine that released it, or build the lock again first",
        )
    described = (Descriptor(INPUT, item.digest, store.size(item.digest), {_TITLE: item.name}) for item in files)
    # Older registries reject unknown types of configurations (image-spec, manifest.md).
    config = store.put(canonical_json({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": []}}))
    manifest = Manifest.make(Descriptor(CONFIG, config, store.size(config)), tuple(described), {})
    return store.put(manifest.raw)


def keep(address: Reference, platform: Platform, part: PlatformLock, store: Store) -> Digest:
    """Names the artifact in the store, so that `store gc` keeps the inputs; `address` has the version."""
    digest = artifact(part, store)
    store.tag(str(place(address, platform)), store.manifest(digest).descriptor)
    return digest


def keep_root(address: Reference, platform: Platform, part: PlatformLock, store: Store) -> None:
    """Names a root image, so that `store gc` keeps it; a Debian root can be built again from its packages.

    Raises BlobNotFound.
    """
    if part.debian is None:
        store.tag(str(root_place(address, platform)), store.image(part.root).manifest.descriptor)


def place(address: Reference, platform: Platform) -> Reference:
    """Returns the address of a platform's inputs: in the version's repository, under a tag that is not a version."""
    return _beside("inputs", address, platform)


def root_place(address: Reference, platform: Platform) -> Reference:
    """Returns the address of a platform's published root image."""
    return _beside("root", address, platform)


def _beside(what: str, address: Reference, platform: Platform) -> Reference:
    version = (address.tag or "").replace("+", "_")
    return address.with_tag(f"{what}-{version}-{str(platform).replace('/', '-')}")


def bring(
    address: Reference,
    platform: Platform,
    wanted: Sequence[Input],
    store: Store,
    registries: RegistryClient,
    executor: Executor,
) -> None:
    """Fetches the inputs that were published with a version in parallel; unpublished inputs remain missing."""
    if not wanted:
        return
    where = place(address, platform)
    manifest = registries.manifest(where)
    if not isinstance(manifest, Manifest):
        raise ImageError(f"{where} was not published by airbyte-ci")
    known = {item.digest: item for item in manifest.layers}

    def fetch(item: Input) -> None:
        # The caller reports inputs that the registry lost, together with all other missing ones.
        with contextlib.suppress(BlobNotFound):
            registries.pull_blob(where, known[item.digest], store)

    list(executor.map(fetch, (item for item in wanted if item.digest in known and not store.has(item.digest))))
