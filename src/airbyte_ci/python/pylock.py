"""pylock.toml (PEP 751) → the packages that one interpreter needs. Reading and selecting are `packaging`'s."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.pylock import (
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockUnsupportedVersionError,
    PylockValidationError,
)

from airbyte_ci.errors import LockError
from airbyte_ci.python import toml
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import Lock, LockedFile, LockedPackage


def select(text: str, interpreter: Interpreter, what: str) -> Lock:
    """The lock's default groups for this interpreter; raises LockError naming the file."""
    document = toml.parse(text, what)
    try:
        lock = Pylock.from_dict(document)
        environment: Any = dict(interpreter.markers)
        chosen = list(lock.select(environment=environment, tags=interpreter.tags()))
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise LockError(f"{what} is not a PEP 751 lock: {error}") from error
    except PylockSelectError as error:
        raise LockError(f"{what} cannot serve Python {interpreter.version}: {error}") from error
    packages = []
    for package, file in chosen:
        if not isinstance(file, (PackageWheel, PackageSdist)):
            raise LockError(f"{what}: {package.name} comes from {type(file).__name__}, not from an index")
        if package.version is None:
            raise LockError(f"{what}: {package.name} has no version")
        packages.append(LockedPackage(package.name, str(package.version), (_file(package.name, file, what),)))
    return Lock("pylock", tuple(sorted(packages, key=lambda item: item.name)))


def _file(package: str, file: PackageWheel | PackageSdist, what: str) -> LockedFile:
    name = file.name or PurePosixPath(unquote(urlsplit(file.url or file.path or "").path)).name
    sha256 = file.hashes.get("sha256")
    if sha256 is None or not name:
        raise LockError(f"{what}: {package} is locked without a sha256, and only that is accepted")
    return LockedFile(name, sha256)
