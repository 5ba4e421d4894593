"""Ensures that only its owner can access a store. Files of images below its root folder have any owner and mode.

A set-user-ID program in a layer is also a file on this machine. No other user may reach it, or change a file that was
verified before.
"""

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci.errors import StoreError

_MODE = 0o700


def claim(root: Path) -> None:
    """Makes the store's root folder private to the user; raises StoreError if another user owns it.

    Fixes the mode of a store that an earlier version made readable for all. Raises OSError.
    """
    root.mkdir(mode=_MODE, parents=True, exist_ok=True)
    status = root.stat()
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"cannot open the store at {root}: it belongs to {_user(status.st_uid)}, only the owner may use it",
            advice=f"run as {_user(status.st_uid)}, or set AIRBYTE_CI_HOME to a folder of your own",
            error_id="store-not-writable",
        )
    if stat.S_IMODE(status.st_mode) != _MODE:
        try:
            root.chmod(_MODE)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise


def exposures(root: Path, unmapped: int | None = None) -> Iterator[tuple[Path, str]]:
    """Returns the folders above the store that allow others to replace it, with who can.

    A user namespace shows `unmapped` as the owner of the folders of this machine's root, and of all others outside of
    it. Who owns them is not known, so only their modes are checked.
    """
    status = root.stat()
    if stat.S_IMODE(status.st_mode) & 0o077:
        yield root, "all users can read it"
    for place in root.resolve().parents:
        status = place.stat()
        if status.st_uid not in (0, os.geteuid(), unmapped):
            yield place, f"{_user(status.st_uid)} can replace its contents"
        elif status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            yield place, "its group or all users can replace its contents"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
