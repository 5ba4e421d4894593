"""requirements.txt with hashes (pip's format, as far as locks use it): text → pinned requirements."""

import re
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Pinned:
    """One requirement at one version, with the sha256 (hex) of every file that may be used for it."""

    name: str
    version: str
    hashes: frozenset[str]
    marker: Marker | None = None


def parse(text: str, what: str) -> tuple[Pinned, ...]:
    """Raises LockError, naming the line, for anything that is not pinned and hashed."""
    pinned = []
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.split(" #")[0].strip()
        if stripped and not stripped.startswith("#"):
            pinned.append(_parse_line(stripped, what))
    return tuple(pinned)


def _parse_line(line: str, what: str) -> Pinned:
    hashes = frozenset(_HASH.findall(line))
    try:
        requirement = Requirement(_HASH.sub("", line).strip())
    except InvalidRequirement as error:
        raise LockError(f"{what}: {line[:60]!r} is not a requirement") from error
    versions = [item.version for item in requirement.specifier if item.operator == "=="]
    if len(versions) != 1 or versions[0].endswith(".*") or not hashes:
        raise LockError(f"{what}: {requirement.name} is not pinned to one version with hashes")
    return Pinned(canonicalize_name(requirement.name), versions[0], hashes, requirement.marker)
