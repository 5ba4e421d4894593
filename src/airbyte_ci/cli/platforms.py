"""Parses platforms of the command line."""

from collections.abc import Sequence

from airbyte_ci.app import find_platform
from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.oci.image import Platform

# The architectures of Debian and its base images, by their names in images.
_ARCHITECTURES = ("amd64", "arm64", "386", "arm", "ppc64le", "riscv64", "s390x")


def parse_platform(text: str, option: str = "-a") -> Platform:
    """Returns the platform of an option; raises UsageError with the valid spelling or the known platforms."""
    try:
        found = Platform.parse(text)
    except ImageError as error:
        raise UsageError(f"{option} {error.message}", advice=error.advice) from error
    if found.os != "linux" or found.architecture not in (*_ARCHITECTURES, find_platform().architecture):
        raise UsageError(
            f"{option} {text}: there are no base images for this platform",
            advice=f"use one of {', '.join(f'linux/{name}' for name in _ARCHITECTURES)}",
        )
    return found


def parse_platforms(texts: Sequence[str]) -> tuple[Platform, ...]:
    """Returns the platforms of `--architecture` without duplicates (default: this machine's); raises UsageError."""
    return tuple(dict.fromkeys(parse_platform(text) for text in texts)) or (find_platform(),)
