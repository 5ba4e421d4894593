"""Whether packages have the dependencies that their metadata requires.

A lock can be edited, incomplete or older than its packages. The rules are those of `pip check`, but with the requested
extras; the image's Python decides which requirements apply.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import wheel_metadata
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import LockedFile

Extras = Mapping[str, Collection[str]]
"""Extras by normalized name."""
NO_EXTRAS: Extras = {}


@dataclass(frozen=True, slots=True, order=True)
class Unmet:
    """A requirement of a package (`name>=1.0`) that the environment has in another version, or (empty) not at all."""

    by: str
    requirement: str
    found: str

    def __str__(self) -> str:
        has = f"{self.found} is installed" if self.found else "which is not installed"
        return f"{self.by} requires {self.requirement}, {has}"

    def met_by(self, distributions: Mapping[str, str]) -> bool:
        """Returns whether one of other distributions, name → version, satisfies the missing requirement."""
        requirement = Requirement(self.requirement)
        found = distributions.get(canonicalize_name(requirement.name))
        return not self.found and found is not None and _admits(requirement, found)


def of_wheel(store: Store, file: LockedFile) -> tuple[str, ...]:
    """Returns the requirements in the metadata of a wheel in the store, read once; raises PackageError."""
    return wheel_metadata.of_wheel(store, file).requires


def unmet(
    packages: Iterable[tuple[str, Collection[str]]],
    versions: Mapping[str, str],
    interpreter: Interpreter,
    asked: Extras = NO_EXTRAS,
) -> tuple[Unmet, ...]:
    """Returns the unmet requirements of packages in an environment (normalized name → version), sorted.

    `asked` are the extras that the connector itself requests; extras that packages request of each other are followed.
    An unreadable requirement is treated as met: old packages contain requirements that no tool can parse any more.
    """
    requires = dict(packages)
    extras = close_extras(requires, interpreter.markers, asked)
    return tuple(
        sorted(
            {
                item
                for name, texts in requires.items()
                for text in texts
                for item in _unmet(
                    name, text, versions=versions, interpreter=interpreter, extras=extras[name], strictly=False
                )
            }
        )
    )


def close_extras(
    requires: Mapping[str, Collection[str]], markers: Mapping[str, str], asked: Extras = NO_EXTRAS
) -> dict[str, set[str]]:
    """Returns by package the extras that the connector, or a package whose requirement applies, requests."""
    found = {name: set(asked.get(name, ())) for name in requires}
    pending = [*requires]
    while pending:
        name = pending.pop()
        for requirement in filter(None, map(read, requires[name])):
            other = canonicalize_name(requirement.name)
            more = set(map(canonicalize_name, requirement.extras))
            if other in found and more - found[other] and applies(requirement, markers, found[name]):
                found[other] |= more
                pending.append(other)
    return found


@functools.lru_cache(maxsize=8192)
def read(text: str) -> Requirement | None:
    """Returns the requirement, or None if only an old tool can parse it: installers ignore it."""
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def applies(requirement: Requirement, markers: Mapping[str, str], extras: Iterable[str] = ()) -> bool:
    """Returns whether its marker holds with these extras, one at a time as in PEP 508."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras))


def confirm(name: str, requires: Iterable[str], versions: Mapping[str, str], interpreter: Interpreter) -> None:
    """Raises PackageError that names the unmet current requirements of a source tree."""
    found = [
        item
        for text in requires
        for item in _unmet(name, text, versions=versions, interpreter=interpreter, extras=(), strictly=True)
    ]
    if found:
        wrong = ", ".join(f"{item.requirement} ({item.found or 'not in the lock'})" for item in found)
        raise PackageError(
            f"{name} now requires packages that the lock does not have: {wrong}",
            advice=f"lock again with this {name}, or first add the packages to pyproject.toml",
            error_id="lock-incomplete",
        )


def _unmet(
    name: str,
    text: str,
    versions: Mapping[str, str],
    interpreter: Interpreter,
    extras: Iterable[str],
    *,
    strictly: bool,
) -> Iterator[Unmet]:
    requirement = read(text)
    if requirement is None and strictly:
        raise PackageError(f"{name} has an invalid requirement: {text!r}")
    if requirement is None or not applies(requirement, interpreter.markers, extras):
        return
    found = versions.get(canonicalize_name(requirement.name))
    if found is None or not _admits(requirement, found):
        yield Unmet(name, f"{requirement.name}{requirement.specifier}", found or "")


def _admits(requirement: Requirement, version: str) -> bool:
    try:
        # The version of a folder may be unknown, and a base's version is what its metadata claims.
        return not version or requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True
