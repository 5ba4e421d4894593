"""Origins in poetry's tables: what a project requires, what a lock has, and whether they match."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement

from airbyte_ci.python.packages import origins

Table = Mapping[str, Any]

_KINDS = {"directory": "path", "file": "path", "git": "git", "url": "url"}


@dataclass(frozen=True, slots=True)
class PoetrySource:
    """A location (`kind` is path, git or url), or the index named `place`; without a name, any index."""

    kind: str = ""
    place: str = ""

    def __str__(self) -> str:
        shown = origins.without_logins(self.place)
        return f"{self.kind} {shown}" if self.kind else f"the index {shown}" if shown else "any index"


ANY = PoetrySource()


def asked(detail: Table) -> PoetrySource:
    """Returns the origin of a dependency's table."""
    for kind in ("path", "git", "url"):
        if kind in detail:
            return PoetrySource(kind, str(detail[kind]))
    return PoetrySource("", str(detail.get("source") or ""))


def of_requirement(requirement: Requirement) -> PoetrySource:
    """Returns the origin of `name @ url` (PEP 508)."""
    url = requirement.url or ""
    if url.startswith("git+"):
        place, _, last = url.removeprefix("git+").partition("#")[0].rpartition("/")
        return PoetrySource("git", f"{place}/{last.partition('@')[0]}")
    if url.startswith("file:"):
        return PoetrySource("path", url)
    return PoetrySource("url", url) if url else ANY


def locked(entry: Table) -> PoetrySource:
    """Returns the origin of a package in the lock, where the public index has no name."""
    source = entry.get("source") or {}
    kind = _KINDS.get(str(source.get("type") or ""), "")
    return (
        PoetrySource(kind, str(source.get("url") or ""))
        if kind
        else PoetrySource("", str(source.get("reference") or "PyPI"))
    )


def agree(wanted: PoetrySource, has: PoetrySource) -> bool:
    """Returns whether the lock's origin matches. Git addresses are compared by host and path, as there are many
    spellings.
    """
    if wanted == ANY:
        return True
    if wanted.kind != has.kind:
        return False
    match wanted.kind:
        case "path":
            # A file: URL is absolute here, and relative in the lock.
            return "://" in wanted.place or posixpath.normpath(wanted.place) == posixpath.normpath(has.place)
        case "git":
            return _repository(wanted.place) == _repository(has.place)
        case "url":
            return origins.public(wanted.place).partition("#")[0] == origins.public(has.place).partition("#")[0]
    return wanted.place.lower() == has.place.lower()


def _repository(address: str) -> str:
    """Normalizes `git@host:team/lib.git`, `ssh://git@host/team/lib`, `https://host/team/lib.git` to host/team/lib."""
    bare = re.sub(r"^(?:git\+)?(?:[a-z+]+://)?(?:[^@/]*@)?", "", address.strip())
    host, _, path = re.sub(r"^([^/:]+):(?:\d+/)?", r"\1/", bare).partition("/")
    return f"{host.lower()}/{path.strip('/').removesuffix('.git')}"
