"""Watches folders for changed files, independent of how editors, git and other tools write them.

Imports watchfiles, which is slow to import: import this module only to watch.
"""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

import watchfiles

from airbyte_ci.connectors import leftovers
from airbyte_ci.errors import ConnectorError

# Changes at most this many milliseconds apart are combined, up to a limit.
_SETTLE = 5
_LONGEST = 1000
# Milliseconds after which a wait ends without a change, to check whether a watched folder was replaced.
_BEAT = 500


def wait(places: Collection[Path], ignored: Collection[Path] = ()) -> Iterator[frozenset[Path]]:
    """Yields the paths that changed below the places since the last time, and sometimes an empty set.

    Ends when a place was created, removed or replaced, because only a new wait sees the new one. Changes before the
    first set are not reported. Ignores everything in `ignored` and the files that tools leave behind. Raises
    ConnectorError if the system's limit of watches is reached.
    """
    identities = {place: _identity(place) for place in places}
    there = [place for place, identity in identities.items() if identity]
    for changed in _changes(there):
        yield frozenset(path for path in changed if not (is_left_out(path, ignored) or _is_in_cache(path, there)))
        if any(_identity(place) != identity for place, identity in identities.items()):
            return


def _changes(places: Collection[Path]) -> Iterator[Collection[Path]]:
    while not places:
        time.sleep(_BEAT / 1000)
        yield ()
    found = watchfiles.watch(
        *places,
        watch_filter=None,
        debounce=_LONGEST,
        step=_SETTLE,
        rust_timeout=_BEAT,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    try:
        for changed in found:
            yield [Path(path) for _, path in changed]
    except FileNotFoundError:
        yield ()  # a place was removed while its watch was set up
    except (OSError, RuntimeError) as error:  # watchfiles passes on its library's message about the system's limits
        raise ConnectorError(
            f"cannot watch {len(places)} folders: {error}",
            advice="raise fs.inotify.max_user_watches, select fewer connectors, or set WATCHFILES_FORCE_POLLING=1",
        ) from error


def _identity(place: Path) -> tuple[int, int] | None:
    try:
        status = place.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_left_out(path: Path, ignored: Collection[Path]) -> bool:
    """Returns whether a file is ignored, in any watched place."""
    if leftovers.is_byte_code(path.name) or leftovers.is_of_editor(path.name):
        return True
    return any(path.is_relative_to(place) for place in ignored)


def _is_in_cache(path: Path, places: Collection[Path]) -> bool:
    inside = [path.relative_to(place).parts for place in places if path.is_relative_to(place)]
    return bool(inside) and all(leftovers.FOLDERS.intersection(parts) for parts in inside)
