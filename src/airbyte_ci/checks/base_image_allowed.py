"""Checks that the base image comes from a repository that the configuration allows."""

from collections.abc import Sequence

from airbyte_ci.checks import base_image_address
from airbyte_ci.checks.rule import OK, Rule, Verdict, failed
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference

RULE = Rule(
    id="base-image-allowed",
    point=2,
    label="latest base",
    title="The base image comes from one of the configured base-image-repositories.",
    why="Code in the base image runs with the connector's secrets.",
)


def check(connector: Connector, allowed: Sequence[str], before: Sequence[str] | None = None) -> Verdict:
    """Checks against `allowed` and, unless it is None, against the merge base's configuration (`before`)."""
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    repository = f"{reference.registry}/{reference.repository}"
    if repository not in map(_normalised, allowed):
        alike = [item for item in allowed if item.rpartition("/")[2] == repository.rpartition("/")[2]]
        return failed(
            f"{repository} is not an allowed base image (allowed: {', '.join(alike or allowed) or 'none'})",
            "use the address of an allowed base image (`airbyte-ci base-images list`), or add the repository to "
            "base-image-repositories in the configuration",
            base_image_address.place(connector),
        )
    if before is not None and repository not in map(_normalised, before):
        return failed(
            f"{repository} is allowed on this branch only (at the merge base: {', '.join(before) or 'none'})",
            "merge the change to base-image-repositories first",
            base_image_address.place(connector),
        )
    return OK


def _normalised(repository: str) -> str:
    """Returns the repository's full name; people may leave out docker.io."""
    try:
        reference = Reference.parse(repository)
    except ImageError:
        return repository
    return f"{reference.registry}/{reference.repository}"
