"""Locks: the packages that a lock file selects for one interpreter. No network, no disk beyond the texts.

Every format gives the same result (PEP 751's model): names, versions, the origin of each package, and the hashes of the
allowed files. The connector itself is never among the packages.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airbyte_ci.errors import LockError


@dataclass(frozen=True, slots=True)
class Wish:
    """The additional dependencies of a project: groups (never by default) and extras."""

    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    def refuse_unknown(self, groups: Collection[str], extras: Collection[str], what: str) -> None:
        """Raises LockError for a group or extra that a project (`what`) does not have."""
        if not (self.groups or self.extras):
            return
        from packaging.utils import canonicalize_name  # slow to import, and few builds select groups or extras

        for name, wanted, known in (("group", self.groups, groups), ("extra", self.extras, extras)):
            for item in wanted:
                if canonicalize_name(item) not in {canonicalize_name(other) for other in known}:
                    raise LockError(
                        f"{what} has no {name} {item!r}", advice="check the groups and extras in .airbyte-ci.toml"
                    )


MAIN_ONLY = Wish()


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A wheel or an sdist by name and sha256 (hex); `url` is its location in the lock, if the lock has one."""

    name: str
    sha256: str
    url: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class FromIndex:
    """From a package index, as one of the package's `files`.

    `url` is the root of its simple API as in the lock, without credentials; empty for the main index: the configured
    one, or the public one. Only that index may serve the package. `name` is the project's name of the index, for a
    login under that name.
    """

    url: str = ""
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"the index {self.url}" if self.url else "the index"


@dataclass(frozen=True, slots=True)
class FromDirectory:
    """From a source folder: `path` is posix and relative to the connector's folder (`../lib`), or absolute.

    It has no hash: the plan must contain a digest of the folder. `subdirectory` is the project's place below `path`.
    `editable` is the developer's setting; an image always gets a copy.
    """

    path: str
    editable: bool = False
    subdirectory: str = ""

    def __str__(self) -> str:
        return f"the folder {self.path}" + (f"/{self.subdirectory}" if self.subdirectory else "")


@dataclass(frozen=True, slots=True)
class FromGit:
    """From a git repository at a full commit id (40 or 64 hex digits); `subdirectory` is the project's place in it.

    `url` is an address for git (https://…, ssh://…, file://…), without credentials. `requested` is the branch, tag or
    revision in the project, for `direct_url.json`; empty if it is not known.
    """

    url: str
    commit: str
    subdirectory: str = ""
    requested: str = ""

    def __str__(self) -> str:
        return f"git {self.url} at {self.commit[:12]}"


@dataclass(frozen=True, slots=True)
class FromArchive:
    """From one wheel or sdist with its own location; the package's `files` contain just this one, with its hash.

    `place` is an absolute URL without credentials, or a path relative to the connector's folder.
    """

    place: str
    subdirectory: str = ""

    @property
    def is_url(self) -> bool:
        return "://" in self.place

    def __str__(self) -> str:
        return self.place


Origin = FromIndex | FromDirectory | FromGit | FromArchive
THE_INDEX = FromIndex()
_ORIGINS: Mapping[str, type[Origin]] = {
    "index": FromIndex,
    "directory": FromDirectory,
    "git": FromGit,
    "archive": FromArchive,
}


def origin_to_json(origin: Origin) -> dict[str, Any]:
    """Returns the origin as data, for plans and keys."""
    kind = next(name for name, kind in _ORIGINS.items() if isinstance(origin, kind))
    return {"from": kind, **asdict(origin)}


def origin_from_json(document: Mapping[str, Any]) -> Origin:
    """Parses the output of `origin_to_json`; raises KeyError, TypeError for anything else."""
    fields = dict(document)
    return _ORIGINS[fields.pop("from")](**fields)


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One distribution to install: normalized name, version, allowed files, origin.

    `files` is empty for folders and git, and `version` may be: then only their metadata contains it. `required_by` are
    names of packages that require it; the empty name is the connector.
    """

    name: str
    version: str
    files: tuple[LockedFile, ...]
    required_by: tuple[str, ...] = ()
    origin: Origin = field(default=THE_INDEX)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock's selection for one interpreter, sorted by name; `kind` names its format (poetry, uv, pylock, …)."""

    kind: str
    packages: tuple[LockedPackage, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "packages": [[package.name, package.version] for package in self.packages],
        }
