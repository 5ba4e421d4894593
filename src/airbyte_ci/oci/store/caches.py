"""The shared caches of commands in images, and the time of each entry's last use. Does not know what the caches
contain.

    caches/<kind>/<day>/<file>   downloads, below the day (since 1970) of their last use
    caches/named/<name>/         folders that hooks mount; `.<name>.lock` next to each is marked when it is mounted

Modification times inside these folders do not show use, because a server or a command has set them.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

NAMED = "named"
_DAY = 86400


def entries(root: Path) -> Iterator[Path]:
    """Returns all downloads and mounted folders of the store at `root`."""
    for place in sorted((root / "caches").glob("*/*")):
        if place.parent.name != NAMED:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                yield from sorted(place.iterdir())
        elif place.is_dir():
            yield place


def lock_of(place: Path) -> Path:
    """Returns the lock file of a mounted folder. Whoever needs the folder alone holds it; each use marks it."""
    return place.with_name(f".{place.name}.lock")


def last_use(place: Path) -> float:
    """Returns the approximate time of an entry's last use in seconds since 1970, never too early. Raises
    FileNotFoundError.
    """
    if place.parent.name == NAMED:
        lock = lock_of(place)
        return (lock if lock.exists() else place).stat().st_mtime
    # Mounting a file hard-links it into the command's folder, which changes its ctime.
    changed = os.lstat(place).st_ctime
    day = place.parent.name
    return min(changed, (int(day) + 1) * _DAY) if day.isdecimal() else changed


def sweep(root: Path) -> None:
    """Removes the folders of days that are empty."""
    for place in (root / "caches").glob("*/*"):
        if place.parent.name != NAMED:
            with contextlib.suppress(OSError):
                place.rmdir()
