"""Finds the image of a connector before a change: named, from its Dockerfile, built by airbyte-ci, or published."""

import tempfile
from pathlib import Path

from airbyte_ci.attest.compare.find_image import FoundImage, find_image, with_annotated_base, with_named_base
from airbyte_ci.campaigns.changes.proof import AUTOMATIC
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError, ConnectorError, UsageError
from airbyte_ci.git.export import export_folder
from airbyte_ci.images import docker_build, job, naming
from airbyte_ci.images.order import Order
from airbyte_ci.oci.image import Platform
from airbyte_ci.python.environment.tools import Tools


def find_previous(connector: Connector, order: Order, tools: Tools, named: str = AUTOMATIC) -> FoundImage:
    """Returns the image of a connector as it is now.

    `named` is an image, in which `{name}` and `{version}` are replaced. Without one, a Dockerfile is built by Docker;
    where there is no Docker, the published image of the version is pulled. Other connectors are built by airbyte-ci.
    """
    if named != AUTOMATIC:
        found = find_image(tools, naming.fill(named, connector), order.native)
        return _with_base_of_dockerfile(tools, connector, found)
    if connector.has_dockerfile and docker_build.find_program():
        return of_dockerfile(tools, connector.folder, f"{connector.name} (Dockerfile)", order.native)
    if not connector.has_dockerfile and connector.base_image:
        tools.say("building the connector before the change")
        (done,) = job.make(connector, order, tools)
        return with_annotated_base(tools, f"{connector.name} {connector.version}", done.image, order.native)
    published = f"{connector.image_repository}:{connector.version}"
    try:
        found = find_image(tools, published, order.native)
    except AirbyteCiError as error:
        raise ConnectorError(
            f"cannot find the image of {connector.name} before the change: no docker or podman is installed to build "
            f"its Dockerfile, and {published} cannot be pulled ({error.message})",
            advice="name the image with --prove=IMAGE",
        ) from error
    return _with_base_of_dockerfile(tools, connector, found)


def _with_base_of_dockerfile(tools: Tools, connector: Connector, found: FoundImage) -> FoundImage:
    """Returns the image with the base that the Dockerfile names, if it can be pulled and is the image's base."""
    if found.base is not None or not connector.has_dockerfile:
        return found
    base = stages.read_bytes((connector.folder / "Dockerfile").read_bytes()).root
    if not base or base == "scratch":
        return found
    try:
        return with_named_base(tools, found.name, found.image, base, found.image.config.platform)
    except AirbyteCiError:
        return found  # the tag has moved, or no registry has it


def of_dockerfile(
    tools: Tools, folder: Path, name: str, platform: Platform, base_name: str | None = None
) -> FoundImage:
    """Returns the image that Docker builds from the Dockerfile in a folder; raises UsageError, ImageError.

    `base_name` is its base image (default: that of the last FROM, as Docker has it).
    """
    tools.say("building the Dockerfile")
    base = stages.read_bytes((folder / "Dockerfile").read_bytes()).root
    built = docker_build.build(tools.store, folder, platform, base or None)
    if base_name:
        return with_named_base(tools, name, built.image, base_name, platform)
    if built.base is None:
        return with_annotated_base(tools, name, built.image, platform)
    return FoundImage(name, built.image, built.base, base)


def of_commit(
    tools: Tools, connector: Connector, root: Path, commit: str, platform: Platform, base_name: str | None = None
) -> FoundImage:
    """Returns the image of the connector's Dockerfile at a commit, which must have one. Raises UsageError."""
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-compare-") as name:
        folder = Path(name)
        export_folder(root, commit, connector.relative, folder)
        if not (folder / "Dockerfile").is_file():
            raise UsageError(
                f"{connector.place} has no Dockerfile at commit {commit[:10]}",
                advice="name a branch or commit that has it with --diffed-branch",
            )
        return of_dockerfile(tools, folder, f"{connector.name} (Dockerfile of {commit[:10]})", platform, base_name)
