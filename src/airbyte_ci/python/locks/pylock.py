"""pylock.toml (PEP 751) → the packages that one interpreter needs. `packaging` parses and selects."""

from collections.abc import Mapping
from typing import Any

from packaging.markers import UndefinedEnvironmentName
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockUnsupportedVersionError,
    PylockValidationError,
)

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import toml
from airbyte_ci.python.packages import origins
from airbyte_ci.python.packages.lock import (
    MAIN_ONLY,
    THE_INDEX,
    FromDirectory,
    Lock,
    LockedFile,
    LockedPackage,
    Origin,
    Wish,
)

_Source = PackageWheel | PackageSdist | PackageArchive | PackageDirectory | PackageVcs


def select(text: str, interpreter: Interpreter, what: str, wish: Wish = MAIN_ONLY) -> Lock:
    """Returns the lock's default groups for this interpreter, and the selected ones; raises LockError with the file."""
    return of(toml.parse(text, what), interpreter, what, wish)


def of(document: Mapping[str, Any], interpreter: Interpreter, what: str, wish: Wish = MAIN_ONLY) -> Lock:
    """Returns the same for a parsed text."""
    try:
        lock = Pylock.from_dict(document)
        environment: Any = dict(interpreter.markers)
        if "airbyte-ci" in (lock.tool or {}):
            wish = MAIN_ONLY  # a lock of airbyte-ci contains exactly the groups and extras that were selected for it
        wish.refuse_unknown(lock.dependency_groups or (), lock.extras or (), what)
        chosen = list(
            lock.select(
                environment=environment,
                tags=interpreter.tags(),
                extras=wish.extras,
                dependency_groups=_groups(lock, wish),
            )
        )
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        # packaging puts a marker in its message on separate lines.
        raise LockError(
            f"{what} is not a PEP 751 lock: {' '.join(str(error).split())[:300]}", error_id="lock-damaged"
        ) from error
    except UndefinedEnvironmentName as error:
        raise LockError(f"{what} has a marker that PEP 751 does not define: {error}") from error
    except PylockSelectError as error:
        raise LockError(
            f"{what} does not support Python {interpreter.version}: {error}", error_id="lock-for-other-python"
        ) from error
    packages = (_package(package, file, what) for package, file in chosen)
    return Lock("pylock", tuple(sorted(packages, key=lambda item: item.name)))


def _groups(lock: Pylock, wish: Wish) -> list[str] | None:
    return [*(lock.default_groups or ()), *wish.groups] if wish.groups else None


def _package(package: Package, source: _Source, what: str) -> LockedPackage:
    name, version = package.name, str(package.version or "")
    by = tuple(((package.tool or {}).get("airbyte-ci") or {}).get("required-by") or ())
    subject = f"{what}: {name}"
    match source:
        case PackageDirectory():
            origin: Origin = FromDirectory(source.path, bool(source.editable), source.subdirectory or "")
            return LockedPackage(name, version, files=(), required_by=by, origin=origin)
        case PackageVcs(type="git"):
            details = {"subdirectory": source.subdirectory or "", "requested": source.requested_revision or ""}
            origin = origins.git(source.url or source.path or "", source.commit_id, subject, **details)
            return LockedPackage(name, version, files=(), required_by=by, origin=origin)
        case PackageVcs():
            raise LockError(f"{subject} comes from {source.type}, but git is the only supported version control system")
        case PackageArchive():
            origin = origins.archive(source.url or source.path or "", source.subdirectory or "")
            return LockedPackage(name, version, files=(_file(source, None, subject),), required_by=by, origin=origin)
    if not version:
        raise LockError(f"{subject} has no version")
    origin = origins.index(package.index) if package.index else THE_INDEX
    return LockedPackage(name, version, files=(_file(source, source.name, subject),), required_by=by, origin=origin)


def _file(file: PackageWheel | PackageSdist | PackageArchive, name: str | None, subject: str) -> LockedFile:
    url = origins.public(file.url or "")
    name = name or origins.file_name(url or file.path or "")
    sha256 = file.hashes.get("sha256")
    if sha256 is None or not name:
        raise LockError(f"{subject} is locked without a sha256, which is the only accepted hash")
    return LockedFile(name, sha256, url)
