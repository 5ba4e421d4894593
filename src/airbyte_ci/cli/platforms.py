"""Platforms as the command line names them."""

from collections.abc import Sequence

from airbyte_ci.app import find_platform
from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.oci.image import Platform

# Those that Debian and its base images know, by the names that images have for them.
_ARCHITECTURES = ("amd64", "arm64", "386", "arm", "ppc64le", "riscv64", "s390x")


def parse_platform(text: str, option: str = "-a") -> Platform:
    """A platform that was asked for; raises UsageError that says how it is spelled, or which there are."""
    try:
        found = Platform.parse(text)
    except ImageError as error:
        raise UsageError(f"{option} {error.message}", advice=error.advice) from error
    if found.os != "linux" or found.architecture not in (*_ARCHITECTURES, find_platform().architecture):
        raise UsageError(
            f"{option} {text}: no image is for that",
            advice=f"known: {', '.join(f'linux/{name}' for name in _ARCHITECTURES)}",
        )
    return found


def parse_platforms(texts: Sequence[str]) -> tuple[Platform, ...]:
    """What `--architecture` asks for, each once; by default what this machine runs. Raises UsageError."""
    return tuple(dict.fromkeys(parse_platform(text) for text in texts)) or (find_platform(),)
