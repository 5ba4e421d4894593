"""The base image of a build, by digest: always its configuration, and its layers only if a command must run in them."""

from functools import cache, partial

from airbyte_ci.connectors.connector import JAVA, MANIFEST_ONLY, Connector
from airbyte_ci.errors import BlobNotFound, ConnectorError, ImageError, RegistryError
from airbyte_ci.oci import local
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import BASE_DIGEST, BASE_NAME, Image, Index, Platform
from airbyte_ci.oci.reference import Reference, parse_pinned
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter import foreign, inventory
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.registry.client import RegistryClient


def address(connector: Connector, override: str | None) -> Reference:
    """Returns the base for a build: the override, or the metadata's; raises ConnectorError, ImageError."""
    if not connector.is_built:
        raise ConnectorError(f"cannot build {connector.name}: {_unsupported(connector)}")
    text = override or connector.base_image
    if text:
        return parse_pinned(text)
    command = "migrate_to_base_image" if connector.is_python else "upgrade_base_image --set-if-not-exists=true"
    found = "it is built from a Dockerfile" if connector.has_dockerfile else "it has no Dockerfile either"
    raise ConnectorError(
        f"cannot build {connector.name}: its metadata names no base image, and {found}",
        advice=f"`airbyte-ci connectors --name={connector.name} {command}`",
        error_id="base-image-missing",
    )


def address_for_packages(connector: Connector, override: str | None) -> Reference:
    """Returns the base for a connector's Python packages; raises ConnectorError also for one that has none."""
    if connector.language == JAVA:
        raise ConnectorError(f"{connector.name} has no Python packages: Gradle chooses the jars of Java connectors")
    return address(connector, override)


def _unsupported(connector: Connector) -> str:
    if connector.language is None:
        if f"language:{MANIFEST_ONLY}" in (connector.data.get("tags") or ()):
            return f"its tags say {MANIFEST_ONLY}, but {connector.relative}/manifest.yaml does not exist"
        files = "pyproject.toml, setup.py, manifest.yaml, src/main/java and src/main/kotlin"
        return f"{connector.place} has none of {files}"
    return f"airbyte-ci does not build {connector.language} connectors"


def open_base(
    tools: Tools, reference: Reference, platform: Platform, native: Platform, others: tuple[Reference, ...] = ()
) -> Base:
    """Returns the base image for the platform; raises RegistryError, ImageError. Its Python is found when needed.

    `others` are repositories that may have its layers too; they are asked first.
    """
    if tools.confirm_base:
        tools.confirm_base(reference)
    image = resolve(tools.store, reference, platform, tools.registries)
    bring = partial(complete, tools.store, image, (*others, reference), tools.registries)
    if native.accepts(platform):
        return Base(image, cache(lambda: inventory.of(tools.store, image, bring)), bring)
    twin = open_base(tools, reference, native, native, others)
    found = cache(lambda: foreign.inventory(tools.store, image, bring=bring, twin_image=twin.image, twin=twin.python))
    return Base(image, found, bring, twin)


def resolve(store: Store, reference: Reference, platform: Platform, registries: RegistryClient) -> Image:
    """Returns the platform's image; its layers may stay in the registry.

    Raises BlobNotFound, RegistryError, ImageError.
    """
    assert reference.digest is not None
    if image := local.find(store, reference, platform):
        return image
    try:
        return registries.image(reference, platform, store)
    except (RegistryError, BlobNotFound) as error:
        raise _with_other_way(error) from error


def annotated(image: Image) -> Reference | None:
    """Returns the base image that an image's annotations name, with its digest if they have it; None if unknown."""
    name, digest = (image.manifest.annotations.get(key) for key in (BASE_NAME, BASE_DIGEST))
    try:
        found = Reference.parse(name) if name else None
        return found.with_digest(Digest.parse(digest)) if found and digest else found
    except ImageError:
        return None  # an annotation is any text


def find_platforms(tools: Tools, reference: Reference, native: Platform) -> tuple[Platform, ...]:
    """Returns the platforms that a base image has; raises RegistryError, ImageError."""
    assert reference.digest is not None
    try:
        manifest = tools.store.manifest(reference.digest)
    except BlobNotFound:
        try:
            manifest = tools.registries.manifest(reference)
        except (RegistryError, BlobNotFound) as error:
            raise _with_other_way(error) from error
        tools.store.put(manifest.raw)
    if not isinstance(manifest, Index):
        return (resolve(tools.store, reference, native, tools.registries).config.platform,)
    # Attestations are entries of the platform unknown/unknown.
    found = (item.platform for item in manifest.manifests if item.platform and item.platform.os != "unknown")
    return tuple(dict.fromkeys(found))


def _with_other_way(error: RegistryError | BlobNotFound) -> RegistryError:
    other = "select a base image that the store has with --base-image"
    return RegistryError(error.message, advice=f"{error.advice}, or {other}" if error.advice else other)


def complete(store: Store, image: Image, sources: tuple[Reference, ...], registries: RegistryClient) -> None:
    """Pulls the layers of an image that the store lacks from the first source that has them.

    Raises BlobNotFound or RegistryError if no source has one.
    """
    for layer in {item.digest: item for item in image.manifest.layers}.values():
        if store.has(layer.digest):
            continue
        failure: RegistryError | BlobNotFound | None = None
        for source in sources:
            try:
                registries.pull_blob(source, layer, store)
                break
            except BlobNotFound as error:
                failure = failure or error
            except RegistryError as error:
                failure = error
        else:
            raise _with_other_way(failure) if failure else BlobNotFound(f"layer {layer.digest} is not in the store")
