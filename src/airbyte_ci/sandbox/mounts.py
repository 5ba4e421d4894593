"""The rule for writable mounts: a sandbox shares no byte with the store or with another build.

Every mount passes `check` before runc receives it. Inputs are read-only; outputs are new, empty folders.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from airbyte_ci.errors import SandboxError
from airbyte_ci.oci.store import caches
from airbyte_ci.sandbox.command import Mount


def check(mounts: Iterable[Mount], store: Path | None) -> None:
    """Raises SandboxError for a mount that lets a sandbox write files that are not its own.

    `store` is the root folder of the store. Without a store to protect, it is None and nothing may be writable.
    """
    for mount in mounts:
        if mount.source is not None and (mount.writable or mount.purpose.access in ("output", "kept")):
            _check_writable(mount, mount.source, store)


def check_upper(upper: Path) -> None:
    """Raises SandboxError if the writable layer of a sandbox starts with a file that has another hard link."""
    for parent, folders, names in os.walk(upper):
        for name in (*names, *folders):
            status = os.lstat(os.path.join(parent, name))  # noqa: PTH118  # hot: tests of a connector may be many
            if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
                raise SandboxError(
                    f"a sandbox could change {parent}/{name}, which has another hard link on this machine"
                )


def _check_writable(mount: Mount, source: Path, store: Path | None) -> None:
    place = source.resolve()
    if store is None or mount.purpose.access == "input":
        raise SandboxError(f"{mount.purpose.name} at {mount.target} is an input and must not be writable")
    root = store.resolve()
    match mount.purpose.access:
        case "output":
            if source.is_symlink() or not place.is_relative_to(root / "scratch") or any(place.iterdir()):
                raise SandboxError(
                    f"{mount.purpose.name} at {mount.target} must be an empty folder at the start: {source}"
                )
        case "kept":
            if place.parent != root / "caches" / caches.NAMED:
                raise SandboxError(f"{mount.purpose.name} at {mount.target} is not a cache of the store: {source}")
        case _:
            if place.is_relative_to(root) or root.is_relative_to(place):
                raise SandboxError(
                    f"{source} cannot be mounted at {mount.target}: a container could change the store in {root}",
                    advice=f"mount it read-only, {source}:{mount.target}:ro",
                )
