"""Find-links: folders and pages with files, where pip and uv search in addition to the indexes.

A file is selected by its name and sha256, never by its version alone. `simple_api` reads the pages.
"""

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airbyte_ci.errors import LockError, PackageError
from airbyte_ci.python.packages import origins


def is_page(place: str) -> bool:
    """Whether the location is on the web; every other location is a folder."""
    return place.startswith(("http://", "https://"))


def is_folder(place: str) -> bool:
    """Whether the location is a folder."""
    return not is_page(place)


def folder_of(place: str) -> Path:
    """Returns the folder for a path or a file: URL."""
    return Path(unquote(urlsplit(place).path) if place.startswith("file:") else place).expanduser()


def is_of(name: str, project: str) -> bool:
    """Whether a file is a wheel or an sdist of a project (normalized name)."""
    from packaging.utils import canonicalize_name  # slow to import, and few builds have find-links

    try:
        return canonicalize_name(origins.name_and_version(name, project)[0]) == project
    except LockError:
        return False


def in_folder(place: str, project: str) -> list[Path]:
    """Returns the project's files in a folder; a missing folder has none. Raises PackageError if unreadable."""
    folder = folder_of(place)
    try:
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return [path for path in found if is_of(path.name, project) and path.is_file()]
    except OSError as error:
        raise PackageError(f"cannot search the find-links folder {folder} for {project}: {error.strerror}") from error


def sha256(path: Path) -> str:
    """Returns the sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
