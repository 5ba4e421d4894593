"""Paths of base image records in a repository: locks, pages and changelogs; each belongs to one image.

Images of several repositories may have the same last name. The records of the first one use this name permanently. The
records of the others are in folders with the names of their repositories.
"""

import glob
import re
from pathlib import Path
from typing import Any

import semver

from airbyte_ci.base_images.making.lock import SUFFIX
from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.reference import Reference

FOLDER = "base-images"
_HEADING = re.compile(r"^# (\S+)$", re.MULTILINE)


def lock(address: Reference, root: Path) -> Path:
    """Returns the lock's path; `address` has the version as its tag."""
    repository = _repository(address)
    short = root / FOLDER / f"{address.name}-{address.tag}{SUFFIX}"
    if _repository_of_lock(short) == repository:
        return short
    stem = _stem(repository, root)
    return stem.with_name(f"{stem.name}-{address.tag}{SUFFIX}")


def page(repository: str, root: Path) -> Path:
    """Of an image's versions."""
    stem = _stem(repository, root)
    return stem.with_name(f"{stem.name}.md")


def changelog(repository: str, root: Path) -> Path:
    stem = _stem(repository, root)
    return stem.with_name(f"{stem.name}-CHANGELOG.md")


def locks(root: Path, version: str) -> list[Path]:
    """Those of all images in this version."""
    return sorted((root / FOLDER).rglob(f"*-{glob.escape(version)}{SUFFIX}"))


def _stem(repository: str, root: Path) -> Path:
    folder, name = root / FOLDER, Reference.parse(repository).name
    if _owner(folder, name) in ("", repository):
        return folder / name
    return folder / repository.replace(":", "-")


def _owner(folder: Path, name: str) -> str:
    """Returns the owner repository of a name, from the page or, before a release, a lock; else empty."""
    page = folder / f"{name}.md"
    if page.is_file() and (found := _HEADING.search(page.read_text("utf-8", "replace"))):
        return found[1]
    for path in sorted(folder.glob(f"{name}-*{SUFFIX}")):
        version = path.name.removeprefix(f"{name}-").removesuffix(SUFFIX)
        if semver.Version.is_valid(version) and (repository := _repository_of_lock(path)):
            return repository
    return ""


def _repository_of_lock(path: Path) -> str:
    """Returns the repository of a lock; a damaged lock is reported when it is read completely."""
    try:
        document: Any = load_json(path.read_bytes())
        return _repository(Reference.parse(document["declaration"]["repository"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImageError):
        return ""


def _repository(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"
