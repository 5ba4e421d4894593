"""Replaces several files of a folder together or not at all. Does not know their contents."""

import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from airbyte_ci import disk
from airbyte_ci.errors import EditRefused

Replacement = tuple[str, bytes | None, bytes | None]
"""Path below the root, content expected there, content wanted there; None: no file."""


def replace_files(root: Path, replacements: tuple[Replacement, ...]) -> None:
    """Replaces, creates and deletes files below `root`; any failure or interruption undoes everything.

    Processes that edit the same repository take turns, so that none overwrites another's changes. Raises EditRefused if
    a file does not have the expected content, or a symbolic link leads out of `root`.
    """
    targets = [_target(root, path, after) for path, _, after in replacements]
    if len(set(targets)) < len(targets):
        raise EditRefused("two paths of one edit lead to the same file through a symbolic link")
    with disk.lock(root), ExitStack() as leftovers:
        for (path, before, _), target in zip(replacements, targets, strict=True):
            _expect(path, target, before)
        # Registered first, so that it comes last: behind the removal of the second names.
        leftovers.callback(_remove_empty_folders, [target.parent for target in targets], root.resolve())
        writes, deletions = [], []
        for (_, before, after), target in zip(replacements, targets, strict=True):
            old = None if before is None else _backup(target, leftovers)
            if after is None:
                deletions.append((target, old))
            else:
                writes.append((target, old, _staged(target, after, leftovers)))
        with ExitStack() as restoration:
            # Each undo step is registered before its step, so that an interruption between them does not lose it.
            for target, old, new in writes:
                restoration.callback(_restore, target, old)
                new.replace(target)
            # Last, so that an abrupt end (power, SIGKILL) leaves one file too many rather than one too few.
            for target, old in deletions:
                restoration.callback(_restore, target, old)
                target.unlink()
            restoration.pop_all()


def _target(root: Path, path: str, after: bytes | None) -> Path:
    """Returns the real file: writes follow links, but a deletion removes the link itself."""
    named = root / path
    real = named.parent.resolve() / named.name if after is None else named.resolve()
    if not real.is_relative_to(root.resolve()):
        raise EditRefused(
            f"{path} leads out of {root} through a symbolic link to {real}",
            advice="replace the link with a file, or edit its target",
        )
    return real


def _expect(path: str, target: Path, before: bytes | None) -> None:
    try:
        found: bytes | None = target.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        found = None
    except IsADirectoryError:
        raise EditRefused(f"{path} is a folder where a file was expected") from None
    if found == before:
        return
    what = "exists by now" if before is None else "is gone" if found is None else "has changed meanwhile"
    raise EditRefused(f"{path} {what}, so nothing was written", advice="run the command again")


def _staged(target: Path, content: bytes, leftovers: ExitStack) -> Path:
    """Writes the new content next to its target, durably and with its final mode."""
    _make_folder(target.parent, leftovers)
    staged = _beside(target, leftovers)
    # Not mkstemp: a new file has the umask's mode, like a file of any editor.
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(content)
        if target.exists():
            os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
        file.flush()
        os.fsync(file.fileno())
    return staged


def _backup(target: Path, leftovers: ExitStack) -> Path:
    """Links the old file under a second name first, so that undoing needs no disk space."""
    backup = _beside(target, leftovers)
    try:
        if target.is_symlink():
            backup.symlink_to(target.readlink())
        else:
            backup.hardlink_to(target)
    except OSError:  # some file systems have no hard links
        shutil.copy2(target, backup, follow_symlinks=False)
    return backup


def _restore(target: Path, old: Path | None) -> None:
    if old is None:
        target.unlink(missing_ok=True)
    else:
        old.replace(target)


def _beside(target: Path, leftovers: ExitStack) -> Path:
    path = disk.staging_name(target)
    leftovers.callback(path.unlink, missing_ok=True)
    return path


def _make_folder(folder: Path, leftovers: ExitStack) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, leftovers)
    leftovers.callback(_remove_if_empty, folder)
    folder.mkdir(exist_ok=True)


def _remove_empty_folders(folders: Iterable[Path], root: Path) -> None:
    """Removes folders below the root that deletions have left empty, as git does: it has no empty folders."""
    for folder in folders:
        with suppress(OSError):
            while folder != root:
                folder.rmdir()
                folder = folder.parent


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
