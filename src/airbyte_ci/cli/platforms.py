"""The options that name platforms, and their values."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from airbyte_ci.app import find_platform
from airbyte_ci.errors import ImageError, UsageError
from airbyte_ci.oci.image import Platform

# The architectures of Debian and its base images, by their names in images.
_ARCHITECTURES = ("amd64", "arm64", "386", "arm", "ppc64le", "riscv64", "s390x")


def architecture_option(
    text: str = "Build for this platform, such as linux/arm64 (default: this machine's); repeatable.",
    *more: str,
    multiple: bool = True,
) -> Callable[[Any], Any]:
    """Adds `-a`, with `more` names: `platforms` as they were written, for the parsers below, or one `platform`."""
    name = "platforms" if multiple else "platform"
    return click.option("-a", "--architecture", *more, name, multiple=multiple, metavar="PLATFORM", help=text)


def platform_option(verb: str) -> Callable[[Any], Any]:
    """Adds `--platform`: the Platform whose images a command describes, examines or compares."""
    return click.option(
        "--platform",
        "platform",
        callback=lambda _context, _option, given: parse_platform(given, "--platform") if given else find_platform(),
        metavar="OS/ARCH",
        help=f"{verb} of this platform (default: this machine's).",
    )


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
