"""Hashed requirements → the files for an interpreter; cached, so that a second run queries no index."""

import posixpath
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store, action_key
from airbyte_ci.python.index import find_links
from airbyte_ci.python.index.index_settings import Source
from airbyte_ci.python.index.package_index import PackageIndex
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages import origins, requirements
from airbyte_ci.python.packages.lock import (
    THE_INDEX,
    FromArchive,
    FromDirectory,
    FromIndex,
    Lock,
    LockedFile,
    LockedPackage,
)
from airbyte_ci.python.packages.requirements import Reader, RequirementEntry
from airbyte_ci.python.wheels import wheel

FORMAT_VERSION = 3


@dataclass(frozen=True, slots=True)
class _Places:
    """The possible locations of locked files: the configured indexes, those in the file, and its find-links."""

    configured: PackageIndex
    wider: PackageIndex
    document: requirements.RequirementsFile
    folder: Path

    def of(self, entry: RequirementEntry) -> dict[LockedFile, FromIndex | FromArchive]:
        """Returns the files with the entry's hashes, and their locations for a later download."""
        found: dict[LockedFile, FromIndex | FromArchive] = {}
        for place in self.document.find_links:
            is_near = find_links.is_folder(place) and "://" not in place and not place.startswith(("/", "~"))
            whole = str(self.folder / place) if is_near else place
            for file, at in self.wider.linked(entry.name, entry.hashes, [whole]):
                near = posixpath.normpath(posixpath.join(place, file.name))
                found[file] = origins.archive(near if is_near else at)
        if entry.hashes - {file.sha256 for file in found}:
            # The hash identifies the file, so any of the configured indexes may serve it.
            usual = self.configured.origins()
            for file, origin in reversed(self.wider.files(entry.name, entry.hashes)):
                found[file] = THE_INDEX if origin in usual else origin
        return found

    def looked(self) -> str:
        """Returns how many locations were searched, for messages."""
        links = len(self.document.find_links) + len(self.wider.find_links)
        return f"indexes searched: {len(self.wider.sources())}" + (f", find-links searched: {links}" if links else "")


def lock(
    store: Store,
    index: PackageIndex,
    interpreter: Interpreter,
    text: str,
    what: str,
    *,
    read: Reader | None = None,
    name_of: Callable[[str], str] = posixpath.basename,
    folder: Path | None = None,
) -> Lock:
    """Returns the requirements that apply to the interpreter, each with its best wheel.

    `read` returns the text of an included file, `name_of` the name of the project in a folder; `folder` is the file's
    folder. Raises LockError for an unpinned requirement, PackageError if no index has a wheel.
    """
    document = requirements.parse(text, what, read, index.variables)
    places = _Places(index, index.also(declared(document)), document, folder or Path())
    order = wheel.tag_order(interpreter)
    packages: dict[str, LockedPackage] = {}
    for entry in document.entries:
        if _applies(entry, interpreter):
            package = _package(store, places, interpreter, entry, order, what, name_of)
            if package and package != packages.setdefault(package.name, package):
                raise LockError(f"{what} lists {package.name} twice for this Python and platform")
    for constraint in document.constraints:
        if constraint.name in packages and _applies(constraint, interpreter):
            _hold(constraint, packages[constraint.name], what)
    return Lock("requirements", tuple(packages[name] for name in sorted(packages)))


def _applies(entry: RequirementEntry, interpreter: Interpreter) -> bool:
    return entry.marker is None or entry.marker.evaluate(dict(interpreter.markers))


def _hold(constraint: RequirementEntry, package: LockedPackage, what: str) -> None:
    """Raises LockError for a package that a constraint forbids: by version, location or bytes."""
    if constraint.place and package.origin != origins.of_place(constraint.place, what, editable=constraint.editable):
        wanted = origins.without_logins(constraint.place)
        raise LockError(
            f"{what}: the constraints require {package.name} from {wanted}, but the lock has it from {package.origin}"
        )
    # A folder's version is unknown before its build.
    if package.version and not constraint.specifier.contains(package.version, prereleases=True):
        raise LockError(
            f"{what} has {package.name} {package.version}, but its constraints allow only "
            f"{package.name}{constraint.specifier}",
            advice="lock again with these constraints",
        )
    if constraint.hashes and not {file.sha256 for file in package.files} <= constraint.hashes:
        raise LockError(f"{what}: the constraints do not allow the files of {package.name} that the lock has")


def declared(document: requirements.RequirementsFile) -> list[tuple[Source, bool]]:
    """Returns the indexes that a requirements file names."""
    main = [(Source(document.index_url), True)] if document.index_url else []
    return [*main, *((Source(url), False) for url in document.extra_index_urls)]


def _package(
    store: Store,
    places: _Places,
    interpreter: Interpreter,
    entry: RequirementEntry,
    order: wheel.TagOrder,
    what: str,
    name_of: Callable[[str], str],
) -> LockedPackage | None:
    if entry.place:
        return _placed(entry, what, name_of)
    if entry.version is None or not entry.hashes:
        raise LockError(f"{what}: {entry.name} is not pinned to one version with hashes")
    file, origin = _file(store, places, interpreter, entry, order)
    return LockedPackage(entry.name, entry.version, (file,), origin=origin)


def _placed(entry: RequirementEntry, what: str, name_of: Callable[[str], str]) -> LockedPackage | None:
    origin = origins.of_place(
        entry.place, f"{what}: {entry.name or origins.without_logins(entry.place)}", editable=entry.editable
    )
    if isinstance(origin, FromDirectory):
        if posixpath.normpath(origin.path) == ".":
            return None  # the connector itself
        return LockedPackage(entry.name or name_of(origin.path), "", (), origin=origin)
    if not isinstance(origin, FromArchive):
        repository = canonicalize_name(posixpath.basename(origin.url).removesuffix(".git"))
        return LockedPackage(entry.name or repository, "", (), origin=origin)
    hashes = entry.hashes or origins.hashes_of(entry.place)
    if len(hashes) != 1:
        raise LockError(f"{what}: {entry.name or origin.place} is not locked with exactly one sha256")
    file = LockedFile(origins.file_name(origin.place), *hashes)
    name, version = origins.name_and_version(file.name, what)
    return LockedPackage(entry.name or name, version, (file,), origin=origin)


def _file(
    store: Store,
    places: _Places,
    interpreter: Interpreter,
    entry: RequirementEntry,
    order: wheel.TagOrder,
) -> tuple[LockedFile, FromIndex | FromArchive]:
    inputs = {
        "hashes": sorted(entry.hashes),
        "python": interpreter.version,
        "machine": interpreter.markers["platform_machine"],
        "libc": interpreter.libc,
        "wheel": places.document.wants_wheel(entry.name),
    }
    key = action_key("requirement", FORMAT_VERSION, inputs)

    def find_known() -> tuple[LockedFile, FromIndex] | None:
        known = store.recall(key)
        # An index of the file may need the file's login: it is queried again for files that must be fetched.
        if known and (not known["index"] or store.has(Digest(known["sha256"]))):
            return LockedFile(known["name"], known["sha256"]), FromIndex(known["index"])
        return None

    if found := find_known():
        return found
    with store.turns.take(key):
        if found := find_known():
            return found
        file, origin = _search(places, interpreter, entry, order)
        if isinstance(origin, FromIndex):  # a folder may have another location for another connector
            store.remember(key, {"name": file.name, "sha256": file.sha256, "index": origin.url})
    return file, origin


def _search(
    places: _Places, interpreter: Interpreter, entry: RequirementEntry, order: wheel.TagOrder
) -> tuple[LockedFile, FromIndex | FromArchive]:
    """Returns the best of the files that have a locked hash, and its location; raises PackageError."""
    found = places.of(entry)
    # Without a wheel, the sdist is used, but only the one whose hash is in the file.
    file = wheel.choose(found, order)
    if file is None and not places.document.wants_wheel(entry.name):
        file = _sdist(entry, found)
    if file is None:
        doing = f"cannot fetch {entry.name} {entry.version}"
        if found:
            machine = interpreter.markers["platform_machine"]
            names = ", ".join(sorted(item.name for item in found))
            wanted = "a wheel " if places.document.wants_wheel(entry.name) else ""
            raise PackageError(
                f"{doing}: no locked file is {wanted}for Python {interpreter.version} on {machine} ({names})",
                advice="lock the hashes of its files for every platform, or choose another version",
                error_id="no-wheel",
            )
        raise PackageError(
            f"{doing}: no index has a file with a required hash ({places.looked()})", error_id="package-not-found"
        )
    return file, found[file]


def _sdist(entry: RequirementEntry, found: Collection[LockedFile]) -> LockedFile | None:
    """Returns the locked sdist; raises PackageError if a hash is on no index: it may be that of a deleted wheel."""
    sdist = next((item for item in found if item.name.endswith((".tar.gz", ".zip"))), None)
    missing = sorted(entry.hashes - {item.sha256 for item in found})
    if sdist and missing:
        raise PackageError(
            f"cannot fetch {entry.name} {entry.version}: no index has the file with the locked hash "
            f"{missing[0][:12]}…, and {sdist.name} must not replace a file that may be a wheel",
            advice="lock again, or set an index that has it",
            error_id="package-not-found",
        )
    return sdist
