"""Parses the database of Alpine's package manager: packages with their versions and files (apk-tools, apk-db(5))."""

from collections.abc import Iterator
from dataclasses import dataclass

INSTALLED = "lib/apk/db/installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpinePackage:
    """An installed package; `files` are relative to the image's root.

    `origin` is the package whose build it is a part of, which advisories name. `license` is an SPDX expression.
    """

    name: str
    version: str
    architecture: str
    files: tuple[str, ...]
    origin: str = ""
    license: str = ""


def packages(text: str) -> tuple[AlpinePackage, ...]:
    """Returns the packages of the database, sorted by name."""
    return tuple(sorted(_packages(text), key=lambda item: item.name))


def _packages(text: str) -> Iterator[AlpinePackage]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        files = []
        folder = ""
        for line in stanza.split("\n"):
            key, _, value = line.partition(":")
            if key == "F":
                folder = value
            elif key == "R":
                files.append(f"{folder}/{value}" if folder else value)
            elif key in ("P", "V", "A", "o", "L"):
                fields.setdefault(key, value.strip())
        if "P" in fields and "V" in fields:
            yield AlpinePackage(
                name=fields["P"],
                version=fields["V"],
                architecture=fields.get("A", ""),
                files=tuple(files),
                origin=fields.get("o") or fields["P"],
                license=fields.get("L", ""),
            )
