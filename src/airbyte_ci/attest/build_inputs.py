"""The inputs of a build that only its publisher has, attached to the image, so that anyone can build it again.

The attachment is the build plan with its inputs as further blobs: the base's manifests, source trees, declared files,
and the layers that the plan names by diffID. Those layers are already in the image, so they take no space. Packages
come from their index, and the base's layers are in the image.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.attest.attachment import CREATED_ANNOTATION, Attachment
from airbyte_ci.attest.subject import SubjectImage
from airbyte_ci.base_images.release.inputs import INPUT
from airbyte_ci.dagger import Exec
from airbyte_ci.errors import BlobNotFound, ImageError
from airbyte_ci.hooks.declared import kept_files
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, Index
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.packages.lock import FromArchive

# The type of the attachment, and of the plan in it.
BUILD_PLAN = "application/vnd.airbyte-ci.build-plan.v1+json"
TITLE = "org.opencontainers.image.title"
# The annotation of a layer that the plan names by the digest of its uncompressed tar.
DIFF_ID = "io.airbyte.ci.diff-id"
# The name of a file that the customization declares; the plan has its path.
DECLARED_FILE = "declared-file"
BASE_MANIFEST, BASE_CONFIG = "base-manifest.json", "base-config.json"


@dataclass(frozen=True, slots=True)
class BuildInput:
    """An input file by name and digest."""

    name: str
    digest: Digest


def attach(subject: SubjectImage, store: Store, created: str) -> Attachment:
    """Returns the plan of an image with its inputs; raises ImageError that names inputs that the store lacks."""
    plan = subject.plan
    files = [*of_base(plan, store), *files_of(plan)]
    if lacking := [item.name for item in files if not store.has(item.digest)]:
        raise ImageError(
            f"cannot attach the inputs of {plan.name}: the store no longer has {', '.join(lacking[:5])}",
            advice=f"airbyte-ci connectors --name={plan.name} build --check-reproducible",
        )
    described = {
        item.digest: Descriptor(INPUT, item.digest, store.size(item.digest), {TITLE: item.name}) for item in files
    }
    layers = tuple(layers_of(plan, subject.image))
    return Attachment(
        BUILD_PLAN,
        BUILD_PLAN,
        plan.text,
        {CREATED_ANNOTATION: created},
        (*sorted(described.values(), key=lambda item: item.digest), *layers),
    )


def files_of(plan: BuildPlan) -> Iterator[BuildInput]:
    """Yields the plan's files that no index has: source trees, archives of the repository, declared files."""
    building = plan.install.building if plan.install else ()
    for choice in plan.packages:
        if is_local(choice):
            yield BuildInput(choice.file.name, Digest(choice.file.sha256))
    for digest in kept_files((*plan.operations, *building)):
        yield BuildInput(DECLARED_FILE, Digest(digest))


def is_local(choice: Choice) -> bool:
    """Returns whether only the publisher has the file of a package."""
    return choice.is_tree or (isinstance(choice.origin, FromArchive) and not choice.origin.is_url)


def named_layers(plan: BuildPlan) -> Iterator[tuple[str, Digest]]:
    """Yields the layers that the plan names by diffID: the code, and results of commands that used the network."""
    if isinstance(plan.code, AddCode):
        yield "the connector's code", plan.code.layer
    for item in plan.impure:
        command = plan.operations[item.operation]
        if item.layer and isinstance(command, Exec):
            yield repr(" ".join(command.arguments)[:80]), item.layer.diff_id


def layers_of(plan: BuildPlan, image: Image) -> Iterator[Descriptor]:
    """Yields the image's layers that are inputs; raises ImageError if it lacks one."""
    known = {diff_id: layer for layer, diff_id in image.layers}
    for what, diff_id in {diff_id: (what, diff_id) for what, diff_id in named_layers(plan)}.values():
        layer = known.get(diff_id)
        if layer is None:
            raise ImageError(f"image {image.digest.short} lacks its plan's layer of {what}, {diff_id.short}")
        yield Descriptor(layer.media_type, layer.digest, layer.size, {DIFF_ID: str(diff_id)})


def of_base(plan: BuildPlan, store: Store) -> Iterator[BuildInput]:
    """Yields the base's manifest and configuration, and the index that the plan's address names."""
    try:
        base = store.image(plan.base_manifest)
        address = plan.base.digest
        if address and address != plan.base_manifest and isinstance(store.manifest(address), Index):
            yield BuildInput("base-index.json", address)
    except BlobNotFound as error:
        raise ImageError(
            f"cannot attach the inputs of {plan.name}: the store no longer has its base image {plan.base}",
            advice=f"airbyte-ci connectors --name={plan.name} build --check-reproducible",
        ) from error
    yield BuildInput(BASE_MANIFEST, base.digest)
    yield BuildInput(BASE_CONFIG, base.manifest.config.digest)
