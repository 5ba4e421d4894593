"""The root of a base image: the declared image where it can be had, else Debian packages.

Knows where a root comes from, and not what is built on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airbyte_ci.base_images import debian
from airbyte_ci.base_images.debian_inputs import DebianInputs
from airbyte_ci.base_images.declare import Declaration
from airbyte_ci.container.api import Exec, Operation, SetUser
from airbyte_ci.errors import AirbyteCiError, BlobNotFound, ImageError, RegistryError
from airbyte_ci.oci import local
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.client import RegistryClient
from airbyte_ci.oci.store import Store

KINDS = ("auto", "image", "debian")


@dataclass(frozen=True, slots=True)
class Root:
    """A root in the store; `debian` is what it was bootstrapped from, where it was."""

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
) -> Root:
    """The root of the wanted kind: auto, image or debian. Raises ImageError, RegistryError, SandboxError."""
    refused: AirbyteCiError | None = None
    if declaration.image_root and wanted != "debian":
        try:
            return _pulled(declaration, declaration.image_root, store, registries, platform, progress)
        except (RegistryError, BlobNotFound) as error:
            if wanted == "image" or declaration.debian_root is None:
                raise
            refused = error
    if declaration.debian_root is None or wanted == "image":
        raise ImageError(f"building {declaration.address}: the declaration has no such root ({wanted})")
    if refused:
        progress(f"the root image cannot be pulled ({refused.message}), so Debian packages are the root")
    packages = debian_packages(declaration)
    made = debian.bootstrap(declaration.debian_root, packages, store, platform, progress, fresh=fresh)
    return Root(made.image, debian.title(declaration.debian_root, packages), made.cached, made.inputs)


def debian_packages(declaration: Declaration) -> tuple[str, ...]:
    """What a Debian root is bootstrapped with."""
    assert declaration.debian_root is not None
    return tuple(dict.fromkeys((*declaration.debian_root.packages, *declaration.packages)))


def shaping(declaration: Declaration, found: Root) -> tuple[Operation, ...]:
    """The steps that give a root the shape that the declaration's own steps expect."""
    if found.debian is not None:
        return declaration.debian_root.steps if declaration.debian_root else ()
    return _installing(declaration.packages, str(found.image.config.execution.get("User") or ""))


def _installing(packages: Sequence[str], user: str) -> tuple[Operation, ...]:
    """Done by root, whoever the root image's user is."""
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
) -> Root:
    if address.digest is None:
        raise _without_digest(declaration, address, registries)
    image = in_store(store, address, platform)
    if image:
        return Root(image, str(address), cached=True)
    progress(f"pulling {address}")
    return Root(registries.pull(address, platform, store), str(address), cached=False)


def _without_digest(declaration: Declaration, address: Reference, registries: RegistryClient) -> AirbyteCiError:
    """The error that tells which digest the tag has today; one that cannot be asked counts as a root that is not there.

    Only then may Debian packages take its place.
    """
    message = f"building {declaration.address}: the root {address} has no digest, so it may be another image tomorrow"
    try:
        today = address.with_digest(registries.resolve(address).digest)
    except (RegistryError, BlobNotFound) as error:
        return RegistryError(f"{message}, and its registry does not answer: {error.message}", advice="pin its digest")
    return ImageError(message, advice=f"declare root.image as {today}, which it is today")


def in_store(store: Store, reference: Reference, platform: Platform) -> Image | None:
    """The platform's image where the store has all of it; no registry is asked."""
    image = local.find(store, reference, platform)
    return image if image and store.holds(image) else None
