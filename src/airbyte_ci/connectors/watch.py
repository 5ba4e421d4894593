"""Watching folders: which of their files changed, however editors, git and other tools write them.

Imports watchfiles, which is slow to import: import this module only to watch.
"""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

import watchfiles

from airbyte_ci.connectors import leftovers
from airbyte_ci.errors import ConnectorError

# Changes that come within so many milliseconds of each other are one, up to a limit. A build trusts files that are
# older than a tick of the file system's clock (`build.fingerprint`), so this is a little more.
_SETTLE = 25
_LONGEST = 1000
# Milliseconds after which a wait ends without a change, to see whether a watched folder was replaced.
_BEAT = 500


def wait(places: Collection[Path], ignored: Collection[Path] = ()) -> Iterator[frozenset[Path]]:
    """Yields the paths that changed below the places since the last time, and an empty set now and then.

    Ends where a place was made, removed or replaced: only a new wait sees the new one. What happened before the first
    set is in none. Whatever lies in `ignored` and whatever tools leave behind does not count. Raises ConnectorError
    where the system has no room for the watches.
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
        yield ()  # a place went while its watch was set up
    except (OSError, RuntimeError) as error:  # watchfiles passes on what its library says of the system's limits
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
    """Whether a file does not count, wherever it is watched from."""
    if leftovers.is_byte_code(path.name) or leftovers.is_of_editor(path.name):
        return True
    return any(path.is_relative_to(place) for place in ignored)


def _is_in_cache(path: Path, places: Collection[Path]) -> bool:
    inside = [path.relative_to(place).parts for place in places if path.is_relative_to(place)]
    return bool(inside) and all(leftovers.FOLDERS.intersection(parts) for parts in inside)
