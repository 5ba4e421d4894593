"""Checks that the base image's digest exists in its registry."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace

from airbyte_ci.checks import base_image_address
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import Rule, Verdict, failed, unverified, unverified_by
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, BlobNotFound
from airbyte_ci.oci.image import Descriptor
from airbyte_ci.oci.reference import Reference

RULE = Rule(
    id="base-image-exists",
    point=2,
    label="latest base",
    title="The base image's digest exists in its registry.",
    why="A build fails when its base image cannot be pulled, and a mistyped digest looks like any other.",
)

Exists = Callable[[Reference], Descriptor]


def check(connector: Connector, exists: Exists | None, mending: Mending) -> Verdict:
    """`exists` asks the registry and raises BlobNotFound or RegistryError; it is None with --offline."""
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    if reference.digest is None:
        return base_image_address.NO_ADDRESS
    if exists is None:
        return unverified("offline, so the registry was not asked", "run the check again without --offline")
    try:
        exists(reference)
    except BlobNotFound:
        return failed(
            f"{reference.registry} has no {reference.repository}@{reference.digest.short}",
            mending.upgrade(connector, "latest"),
            base_image_address.place(connector),
        )
    except AirbyteCiError as error:
        return unverified_by(error)
    return Verdict("ok", _moved(reference, exists))


def _moved(reference: Reference, exists: Exists) -> str:
    """Returns a note when the tag no longer points to the digest. The check passes: builds pull the digest."""
    if reference.tag is None:
        return ""
    try:
        found = exists(_by_tag(reference)).digest
    except BlobNotFound:
        return f"the digest exists, but {reference.registry} no longer has the tag {reference.tag}"
    except AirbyteCiError:
        return ""
    if found == reference.digest:
        return ""
    return f"the digest exists, but the tag {reference.tag} now points to another image ({found.short})"


def _by_tag(reference: Reference) -> Reference:
    return replace(reference, digest=None)


def together(connectors: Iterable[Connector], resolve: Exists, executor: Executor) -> Exists:
    """Returns an `Exists` that asks in parallel for all base images and their tags, each address once."""
    found = {base_image_address.reference_of(connector) for connector in connectors}
    pinned = [item for item in found if isinstance(item, Reference) and item.digest]
    references = dict.fromkeys([*pinned, *(_by_tag(item) for item in pinned if item.tag)])
    asked = {item: executor.submit(resolve, item) for item in references}
    return lambda reference: asked[reference].result()
