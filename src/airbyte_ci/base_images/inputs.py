"""The inputs of a released version, kept beside it in its registry as one artifact, so that it can be built again.

The artifact's blobs are the files themselves, Debian packages and wheels. There is one for each platform, because each
may be built on a machine of its own. A root that is an image lies beside it, as an image.
"""

import contextlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from airbyte_ci.base_images.lock import PlatformLock
from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CONFIG, Descriptor, Manifest, Platform, canonical_json
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store

INPUT = "application/vnd.airbyte-ci.input.v1"
_SHOWN = 5
_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, slots=True)
class Input:
    """A file that a version was built from."""

    name: str
    digest: Digest


def of(part: PlatformLock) -> tuple[Input, ...]:
    """The files of a platform, each once. Layers that commands gave are in the image itself."""
    debs = part.debian.debs if part.debian else ()
    files = [
        *(Input(f"{item.package}_{item.version}_{item.architecture}.deb", item.digest) for item in debs),
        *(Input(item.file, item.digest) for item in part.wheels),
    ]
    return tuple({item.digest: item for item in files}.values())


def artifact(part: PlatformLock, store: Store) -> Digest:
    """The manifest of a platform's inputs, in the store; raises ImageError naming those that the store lacks."""
    files = sorted(of(part), key=lambda item: (item.name, item.digest))
    if lacking := [item.name for item in files if not store.has(item.digest)]:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise ImageError(
            f"keeping the inputs of a base image: the store no longer has {', '.join(lacking[:_SHOWN])}{more}",
            advice="publish from the machine that released it, or build its lock again first",
        )
    described = (Descriptor(INPUT, item.digest, store.size(item.digest), {_TITLE: item.name}) for item in files)
    # A configuration of the usual kind: older registries refuse what they do not know (image-spec, manifest.md).
    config = store.put(canonical_json({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": []}}))
    manifest = Manifest.make(Descriptor(CONFIG, config, store.size(config)), tuple(described), {})
    return store.put(manifest.raw)


def keep(address: Reference, platform: Platform, part: PlatformLock, store: Store) -> Digest:
    """The artifact under a name in the store, so that no collection removes the inputs; `address` has the version."""
    digest = artifact(part, store)
    store.tag(str(place(address, platform)), store.manifest(digest).descriptor)
    return digest


def keep_root(address: Reference, platform: Platform, part: PlatformLock, store: Store) -> None:
    """Names a root that is an image, so that no collection removes it; Debian's is made again of its packages.

    Raises BlobNotFound.
    """
    if part.debian is None:
        store.tag(str(root_place(address, platform)), store.image(part.root).manifest.descriptor)


def place(address: Reference, platform: Platform) -> Reference:
    """Where a platform's inputs are: beside the version, under a tag that is no version."""
    return _beside("inputs", address, platform)


def root_place(address: Reference, platform: Platform) -> Reference:
    """Where a platform's root is, if it is an image."""
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
    """Fetches the inputs that were published with a version, several at once; those that were not stay missing."""
    if not wanted:
        return
    where = place(address, platform)
    manifest = registries.manifest(where)
    if not isinstance(manifest, Manifest):
        raise ImageError(f"{where} is not what airbyte-ci published")
    known = {item.digest: item for item in manifest.layers}

    def fetch(item: Input) -> None:
        # What the registry lost is told with everything else that is missing.
        with contextlib.suppress(BlobNotFound):
            registries.pull_blob(where, known[item.digest], store)

    list(executor.map(fetch, (item for item in wanted if item.digest in known and not store.has(item.digest))))
