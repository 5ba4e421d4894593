"""Platforms as people name them on the command line."""

from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.oci.image import Platform


def parse_platform(text: str) -> Platform:
    """A platform that was asked for; raises UsageError that says how it is spelled."""
    try:
        return Platform.parse(text)
    except ImageError as error:
        raise UsageError(f"-a {error.message}", advice=error.advice) from error
