"""Joins the pinned requirements of declarations that extend each other, and decides between conflicting pins."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from airbyte_ci.errors import ConfigurationError

# A package's name and version at the start of a line; hashes and markers follow on the same or later lines.
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:===?\s*(?P<version>[^\s;\\]+))?")


@dataclass(frozen=True, slots=True)
class Pins:
    """The text of one requirements file, and its path for messages."""

    place: str
    text: str

    def entries(self) -> Iterator[tuple[str, str, str]]:
        """Yields (name, version, text) for each package; other text has an empty name."""
        part: list[str] = []
        for line in self.text.splitlines(keepends=True):
            continues = bool(part) and part[-1].rstrip("\r\n").endswith("\\")
            if part and not continues:
                yield _entry(part)
                part = []
            part.append(line)
        if part:
            yield _entry(part)

    def versions(self) -> dict[str, list[str]]:
        """Returns the versions of each package by normalized name; several if markers distinguish them."""
        found: dict[str, list[str]] = {}
        for name, version, _ in self.entries():
            if name:
                found.setdefault(name, []).append(version)
        return found


def join(parents: Sequence[Pins], own: Pins, overrides: Collection[str], what: str) -> tuple[Pins, ...]:
    """Joins the files in order, so that one file pins each package.

    If `own` pins a package to the same versions, its pin is used. Other versions need `overrides`. Raises
    ConfigurationError that names the package, both versions and both files.
    """
    mine = own.versions()
    wanted = {canonicalize_name(name) for name in overrides}
    joined = []
    for parent in parents:
        for name, versions in parent.versions().items():
            if name in mine and name not in wanted and sorted(versions) != sorted(mine[name]):
                raise ConfigurationError(
                    f"{what} is invalid: {name} is pinned twice, to {', '.join(versions)} in {parent.place} and to "
                    f"{', '.join(mine[name])} in {own.place}",
                    advice=f"remove one of the pins, or add `overrides: [{name}]` to use the later one",
                )
        kept = [text for name, _, text in parent.entries() if name not in mine]
        joined.append(parent if len(kept) == len([*parent.entries()]) else Pins(parent.place, "".join(kept)))
    return (*joined, own)


def refuse_unused(files: Sequence[Pins], overrides: Collection[str], what: str) -> None:
    """Raises ConfigurationError if an override names a package that fewer than two files pin."""
    for name in overrides:
        holding = [item.place for item in files if canonicalize_name(name) in item.versions()]
        if len(holding) < 2:
            where = f"only {holding[0]} pins" if holding else "no requirements file pins"
            raise ConfigurationError(f"{what} is invalid: overrides names {name}, which {where}")


def _entry(lines: Sequence[str]) -> tuple[str, str, str]:
    found = _PIN.match(lines[0])
    text = "".join(lines)
    return (canonicalize_name(found["name"]), found["version"] or "", text) if found else ("", "", text)
