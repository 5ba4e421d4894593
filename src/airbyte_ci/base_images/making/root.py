"""Provides the root of a base image: the declared image if it can be pulled, else Debian packages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airbyte_ci.base_images.declaration.declare import Declaration
from airbyte_ci.base_images.making import debian
from airbyte_ci.base_images.making.debian_inputs import DebianInputs
from airbyte_ci.dagger import Exec, Operation, SetUser
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient

KINDS = ("auto", "image", "debian")


@dataclass(frozen=True, slots=True)
class BaseRoot:
    """A root in the store; `debian` holds the inputs of a bootstrapped root."""

    image: Image
    title: str
    cached: bool
    debian: DebianInputs | None = None


def resolve(
    declaration: Declaration,
    store: Store,
    registries: RegistryClient,
    platform: Platform,
    wanted: str,
    progress: Callable[[str], None],
    *,
    fresh: bool = False,
) -> BaseRoot:
    """Returns the root of the requested kind: auto, image or debian. Raises ImageError, RegistryError, SandboxError."""
    refused: AirbyteCiError | None = None
    if declaration.image_root and wanted != "debian":
        try:
            return _pulled(declaration, declaration.image_root, store, registries, platform, progress)
        except (RegistryError, BlobNotFound) as error:
            if wanted == "image" or declaration.debian_root is None:
                raise
            refused = error
    if declaration.debian_root is None or wanted == "image":
        raise ImageError(f"cannot build {declaration.address}: the declaration has no root of the kind {wanted}")
    if refused:
        progress(f"the root image cannot be pulled ({refused.message}); using Debian packages as the root")
    packages = debian_packages(declaration)
    made = debian.bootstrap(
        declaration.debian_root, packages, store=store, platform=platform, progress=progress, fresh=fresh
    )
    return BaseRoot(made.image, debian.title(declaration.debian_root, packages), made.cached, made.inputs)


def debian_packages(declaration: Declaration) -> tuple[str, ...]:
    """Returns the packages that a Debian root is bootstrapped with."""
    assert declaration.debian_root is not None
    return tuple(dict.fromkeys((*declaration.debian_root.packages, *declaration.packages)))


def shaping(declaration: Declaration, found: BaseRoot) -> tuple[Operation, ...]:
    """Returns the steps that prepare a root for the declaration's own steps."""
    if found.debian is not None:
        return declaration.debian_root.steps if declaration.debian_root else ()
    return _installing(declaration.packages, str(found.image.config.execution.get("User") or ""))


def _installing(packages: Sequence[str], user: str) -> tuple[Operation, ...]:
    """Runs as root, even if the root image has another user."""
    if not packages:
        return ()
    command = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    installing = Exec(("sh", "-c", command))
    if user.partition(":")[0] in ("", "0", "root"):
        return (installing,)
    return (SetUser("root"), installing, SetUser(user))


def _pulled(
    declaration: Declaration,
    address: Reference,
    store: Store,
    registries: RegistryClient,
    platform: Platform,
    progress: Callable[[str], None],
) -> BaseRoot:
    if address.digest is None:
        raise _without_digest(declaration, address, registries)
    image = in_store(store, address, platform)
    if image:
        return BaseRoot(image, str(address), cached=True)
    progress(f"pulling {address}")
    return BaseRoot(registries.pull(address, platform, store), str(address), cached=False)


def _without_digest(declaration: Declaration, address: Reference, registries: RegistryClient) -> AirbyteCiError:
    """Returns the error for a root without a digest, including the tag's current digest.

    If the registry does not answer, the root is treated as unavailable, so that Debian packages may replace it.
    """
    message = f"cannot build {declaration.address}: the root {address} has no digest, so it can change at any time"
    try:
        today = address.with_digest(registries.resolve(address).digest)
    except (RegistryError, BlobNotFound) as error:
        return RegistryError(f"{message}, and its registry does not answer: {error.message}", advice="pin its digest")
    return ImageError(message, advice=f"declare root.image as {today}, its current digest")


def in_store(store: Store, reference: Reference, platform: Platform) -> Image | None:
    """Returns the platform's image if the store has all of it, without asking a registry."""
    image = local.find(store, reference, platform)
    return image if image and store.holds(image) else None
