"""What commands in images share in a store, and when each part of it was last used; `container` knows what is in it.

    caches/<kind>/<day>/<file>   downloads, below the day (since 1970) of their last use
    caches/named/<name>/         folders that hooks mount; `.<name>.lock` beside each is marked when it is mounted

Times of change inside of them say nothing about use: a server or a command has set them.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

NAMED = "named"
_DAY = 86400


def entries(root: Path) -> Iterator[Path]:
    """All downloads and mounted folders of the store at `root`."""
    for place in sorted((root / "caches").glob("*/*")):
        if place.parent.name != NAMED:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                yield from sorted(place.iterdir())
        elif place.is_dir():
            yield place


def lock_of(place: Path) -> Path:
    """The file that those hold who want a mounted folder for themselves, and that is marked at each use."""
    return place.with_name(f".{place.name}.lock")


def last_use(place: Path) -> float:
    """When an entry was last used, in seconds since 1970, or a little later; raises FileNotFoundError."""
    if place.parent.name == NAMED:
        lock = lock_of(place)
        return (lock if lock.exists() else place).stat().st_mtime
    # A file changes when it is lent: it is linked to the command's own place.
    changed = os.lstat(place).st_ctime
    day = place.parent.name
    return min(changed, (int(day) + 1) * _DAY) if day.isdecimal() else changed


def sweep(root: Path) -> None:
    """Removes days of which nothing is left."""
    for place in (root / "caches").glob("*/*"):
        if place.parent.name != NAMED:
            with contextlib.suppress(OSError):
                place.rmdir()
