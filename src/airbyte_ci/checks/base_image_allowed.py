"""The base image comes from a repository that the configuration allows."""

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
    why="Whoever chooses the base chooses what runs with the connector's secrets.",
)


def check(connector: Connector, allowed: Sequence[str], before: Sequence[str] | None = None) -> Verdict:
    """By the configuration, and by that of the merge base (`before`), where it said something."""
    reference = base_image_address.reference_of(connector)
    if isinstance(reference, Verdict):
        return reference
    repository = f"{reference.registry}/{reference.repository}"
    if repository not in map(_normalised, allowed):
        alike = [item for item in allowed if item.rpartition("/")[2] == repository.rpartition("/")[2]]
        return failed(
            f"{repository} is not an allowed base image (allowed: {', '.join(alike or allowed) or 'none'})",
            "put the address of an allowed one there (`airbyte-ci base-images list`), or allow it in the "
            "configuration's base-image-repositories",
            base_image_address.place(connector),
        )
    if before is not None and repository not in map(_normalised, before):
        return failed(
            f"{repository} is allowed by this branch only (at the merge base: {', '.join(before) or 'none'})",
            "let the change of base-image-repositories be merged first",
            base_image_address.place(connector),
        )
    return OK


def _normalised(repository: str) -> str:
    """As people write it, with or without docker.io."""
    try:
        reference = Reference.parse(repository)
    except ImageError:
        return repository
    return f"{reference.registry}/{reference.repository}"
