"""The changes of a command: overlayfs' upper folder as layer entries, without noise that differs on each run."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from airbyte_ci.disk import DEPTH_LIMIT, sparseness
from airbyte_ci.errors import ImageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry
from airbyte_ci.rootfs.tree import Tree, TreeNode, is_opaque, is_whiteout

# Files that belong to the machine that runs an image, and names that a layer cannot express.
_FOREIGN = re.compile(
    r"""
      (dev|proc|sys|run)/.*
    | etc/(machine-id|hostname|hosts|resolv\.conf)
    | (.*/)?\.wh\..*
    """,
    re.VERBOSE | re.DOTALL,
)
# Files that package managers and Python write differently on each run, and that no image needs.
_NOISE = re.compile(
    r"""
      var/log/(apt/.*|dpkg\.log|alternatives\.log|bootstrap\.log|lastlog|faillog|btmp|wtmp)
    | var/cache/(apt|debconf)/.*-old
    | var/cache/(apt/.*\.bin|apt/archives/.+|ldconfig/aux-cache)
    | var/lib/apt/lists/.+
    | var/lib/dpkg/.*-old
    | etc/\.pwd\.lock
    | etc/(passwd|group|shadow|gshadow|subuid|subgid)-
    | (root|home/[^/]+)/\.cache/pip/.*
    | (.*/)?__pycache__(/.*)?
    """,
    re.VERBOSE | re.DOTALL,
)
# Noise that a later command can need: `apt-get update` and `apt-get install` may be two commands.
_NEEDED_LATER = re.compile(r"var/lib/apt/lists/.+", re.DOTALL)
_OWN_XATTR = re.compile(r"user\.overlay\.|.*=")
_NOTHING = Tree(())


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a command: the entries of its layer, and files outside it that later commands may need."""

    entries: list[Entry]
    left_out: tuple[str, ...]


def is_noise(path: str) -> bool:
    """Returns whether a path belongs to the running machine, or is written differently on each run and not needed."""
    return bool(_FOREIGN.fullmatch(path) or _NOISE.fullmatch(path))


def entries(upper: Path, lower: Tree, ignored: frozenset[str]) -> list[Entry]:
    """Returns the upper folder as layer entries; `ignored` are the places of the command's mounts."""
    return changes(upper, lower, ignored).entries


def changes(upper: Path, lower: Tree, ignored: frozenset[str], kept: frozenset[str] = frozenset()) -> Changes:
    """Returns the upper folder as layer entries; later commands see the files in the `kept` ignored places."""
    lent = frozenset(parent for path in ignored for parent in tar.parents(path))
    walk = _Walk(upper=upper, ignored=ignored, lent=lent, links={}, kept=kept, left_out=[])
    found = walk.below("", lower)
    ordered = tar.sorted_entries({entry.path: entry for entry in found}.values())
    return Changes(ordered, tuple(walk.left_out))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    upper: Path
    ignored: frozenset[str]
    lent: frozenset[str]
    links: dict[int, str]
    kept: frozenset[str]
    left_out: list[str]

    def below(self, folder: str, lower: Tree) -> Iterator[Entry]:
        """Yields the content of a folder that is not in `lower`, the visible layers below."""
        if folder.count("/") >= DEPTH_LIMIT:
            raise ImageError(
                f"cannot store the files of a command: its folders are nested more than {DEPTH_LIMIT} deep"
            )
        for item in sorted(os.scandir(self.upper / folder), key=lambda entry: os.fsencode(entry.name)):
            path = f"{folder}/{item.name}" if folder else item.name
            status = item.stat(follow_symlinks=False)
            if path in self.ignored or _FOREIGN.fullmatch(path) or stat.S_ISSOCK(status.st_mode):
                if path in self.kept:
                    self.left_out.append(path)
                continue
            if is_whiteout(status):
                if lower.entry(path):
                    yield tar.whiteout(path)
            elif _NOISE.fullmatch(path):
                yield from self._noise(path, status, lower)
            elif stat.S_ISDIR(status.st_mode):
                yield from self._folder(path, status, lower)
            else:
                yield from self._file(path, status, lower)

    def _folder(self, path: str, status: os.stat_result, lower: Tree) -> Iterator[Entry]:
        opaque = is_opaque(self.upper / path)
        before = lower.entry(path)
        inside = list(self.below(path, _NOTHING if opaque else lower))
        if opaque and before:
            inside.append(Entry(path=f"{path}/{tar.OPAQUE}", mode=0))
        entry = entry_of(self.upper / path, path, status)
        idle = _same_folder(entry, before) if before else path in self.lent
        if inside or not idle:
            yield entry
            yield from inside

    def _file(self, path: str, status: os.stat_result, lower: Tree) -> Iterator[Entry]:
        if status.st_nlink > 1 and status.st_ino in self.links:
            # Some tools set a link's owner and mode again, so they must equal the file's.
            yield replace(
                entry_of(self.upper / path, path, status), kind="hardlink", content=b"", link=self.links[status.st_ino]
            )
        elif not _unchanged(self.upper / path, status, lower.entry(path)):
            self.links[status.st_ino] = path
            yield entry_of(self.upper / path, path, status)
            yield from _stale_byte_code(path, lower)

    def _noise(self, path: str, status: os.stat_result, lower: Tree) -> Iterator[Entry]:
        """Leaves noise out, but hides old bytecode below that a command replaced."""
        before = lower.entry(path)
        if before and stat.S_ISDIR(status.st_mode) and not is_opaque(self.upper / path):
            yield from self.below(path, lower)
            return
        if _NEEDED_LATER.fullmatch(path):
            self.left_out.append(path)
        elif before and "__pycache__" in path and not _unchanged(self.upper / path, status, before):
            yield tar.whiteout(path)


def _stale_byte_code(path: str, lower: Tree) -> Iterator[Entry]:
    """Hides bytecode of the layers below for a changed module: unchecked bytecode would run instead of it."""
    folder, _, name = path.rpartition("/")
    if name.endswith(".py"):
        cache = f"{folder}/__pycache__" if folder else "__pycache__"
        start = name.removesuffix("py")
        yield from (tar.whiteout(f"{cache}/{item}") for item in lower.names(cache) if item.startswith(start))


def entry_of(disk: Path, path: str, status: os.stat_result) -> Entry:
    """Returns a file on disk as a layer's entry for it; raises ImageError for a file that is mostly holes."""
    if wrong := sparseness(status):
        raise ImageError(f"cannot store /{path}: {wrong}")
    kind, link, content, device = _content(disk, status)
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        content=content,
        link=link,
        uid=status.st_uid,
        gid=status.st_gid,
        device=device,
        xattrs=_xattrs(disk),
    )


def _content(disk: Path, status: os.stat_result) -> tuple[tar.Kind, str, bytes | Path, tuple[int, int]]:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "symlink", str(disk.readlink()), b"", (0, 0)
    if stat.S_ISDIR(mode):
        return "dir", "", b"", (0, 0)
    if stat.S_ISREG(mode):
        return "file", "", disk, (0, 0)
    if stat.S_ISFIFO(mode):
        return "fifo", "", b"", (0, 0)
    device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return ("char" if stat.S_ISCHR(mode) else "block"), "", b"", device


def _xattrs(disk: Path) -> dict[str, bytes]:
    # Other attributes belong to this machine (SELinux labels, overlayfs), or an archive cannot express them.
    names = [
        name
        for name in os.listxattr(disk, follow_symlinks=False)
        if name == "security.capability" or (name.startswith("user.") and not _OWN_XATTR.match(name))
    ]
    return {name: os.getxattr(disk, name, follow_symlinks=False) for name in sorted(names)}


def _unchanged(disk: Path, status: os.stat_result, before: TreeNode | None) -> bool:
    """Whether overlayfs copied up an unchanged file (after touch, or chmod and back)."""
    if before is None or _identity(status) != _identity(before.status):
        return False
    if stat.S_ISLNK(status.st_mode):
        return str(disk.readlink()) == str(before.disk.readlink())
    if not stat.S_ISREG(status.st_mode) or _xattrs(disk) != _xattrs(before.disk):
        return False
    with disk.open("rb") as one, before.disk.open("rb") as other:
        while chunk := one.read(1 << 20):
            if chunk != other.read(1 << 20):
                return False
    return True


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return (status.st_mode, status.st_uid, status.st_gid, size)


def _same_folder(entry: Entry, before: TreeNode) -> bool:
    return before.is_dir and (entry.mode, entry.uid, entry.gid, entry.xattrs) == (
        stat.S_IMODE(before.status.st_mode),
        before.status.st_uid,
        before.status.st_gid,
        _xattrs(before.disk),
    )
