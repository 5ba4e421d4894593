"""The tar of a Gradle distribution: read into the store as hostile data, file by file, and never unpacked to a folder.

Knows the form of the tar (one top folder, regular files), not what the files mean.
"""

import os
import stat
import tarfile
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from airbyte_ci.disk import DEPTH_LIMIT, sparseness
from airbyte_ci.errors import ConnectorError, ImageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.wheels import zip_layout
from airbyte_ci.python.wheels.zip_layout import LayoutRefused
from airbyte_ci.rootfs.archive import UNREADABLE, Stream

FORMAT_VERSION = 1
# Real distributions have up to 500 files and 600 MB.
_MOST_FILES = 20_000
_LARGEST = 4 << 30
# Real jars have up to 60,000 entries, and unpack to less than ten times their size.
_MOST_ENTRIES = 500_000
_LARGEST_JAR = 8 << 30
_RATIO = 200
# Small archives may have a very high compression ratio, which is harmless.
_HARMLESS = 64 << 20
_LONGEST_NAME = 255
# Larger files are written before their hash is known.
_IN_MEMORY = 32 << 20
# Padding after the end of a tar: tools fill blocks of 10 KiB, some much larger ones.
_PADDING = 16 << 20
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


@dataclass(frozen=True, slots=True)
class DistributionFile:
    """A file by its path below the top folder; the store has its bytes."""

    path: str
    sha256: str
    executable: bool

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "sha256": self.sha256, "executable": self.executable}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "DistributionFile":
        path, sha256, executable = document["path"], document["sha256"], document["executable"]
        if why := problem_of_path(path):
            raise ValueError(f"a file of the distribution has {why}: {path!r:.80}")
        return cls(path, Digest(sha256).hex, bool(executable))


def problem_of_path(path: str) -> str:
    """Returns why an image cannot have a file of this relative path in its application folder; else an empty text."""
    parts = path.split("/")
    if path.startswith("/"):
        return "an absolute name"
    if ".." in parts:
        return "a name that leads out of it"
    if any(part.startswith(tar.WHITEOUT) for part in parts):
        return "a name that image layers reserve"
    if not path.isprintable():  # Bytes that are not UTF-8 are read as characters that are not printable.
        return "a name with unprintable characters"
    if len(parts) > DEPTH_LIMIT or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return "a name that is too long"
    return "" if all(part not in ("", ".") for part in parts) else "a name that is not normal"


def read(path: Path, store: Store, shown: str) -> tuple[DistributionFile, ...]:
    """Returns the tar's files by path, read now or known by the tar's hash; raises ConnectorError.

    `shown` names the tar in errors.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConnectorError(f"cannot read {shown}: it is not a regular file")
        if wrong := sparseness(status):
            raise ConnectorError(f"cannot read {shown}: {wrong}")
        with path.open("rb") as blob:
            return _read(blob, store, shown)
    except OSError as error:
        raise ConnectorError(f"cannot read {shown}: {error.strerror}") from error


def _read(blob: BufferedReader, store: Store, shown: str) -> tuple[DistributionFile, ...]:
    before = _state(blob)
    inputs = {"sha256": str(Digest.of_stream(blob))}

    def make() -> dict[str, Any]:
        blob.seek(0)
        files = _Reading(store, shown, before[1]).files(blob)
        if _state(blob) != before:
            raise ConnectorError(f"cannot read {shown}: it changed while it was read", advice="run the command again")
        return {"files": [item.to_json() for item in files]}

    def is_whole(known: dict[str, Any]) -> bool:
        return all(store.has(Digest(item["sha256"])) for item in known["files"])

    found = store.reuse("distribution", FORMAT_VERSION, inputs=inputs, make=make, is_whole=is_whole)
    return tuple(DistributionFile.from_json(item) for item in found["files"])


def _state(blob: BufferedReader) -> tuple[int, int, int]:
    status = os.fstat(blob.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns


class _Reading:
    """One pass over a tar of `packed` bytes."""

    def __init__(self, store: Store, shown: str, packed: int) -> None:
        self._store = store
        self._shown = shown
        self._packed = packed
        self._count = self._size = 0
        self._top = ""
        self._files: dict[str, DistributionFile] = {}
        self._folders: set[str] = set()

    def files(self, blob: BufferedReader) -> list[DistributionFile]:
        """Returns the files by path."""
        try:
            self._read(blob)
        except UNREADABLE as error:
            other = "" if self._count else _other_kind(blob)
            raise self._refused(other or f"it is damaged or truncated ({error})") from error
        except ImageError as error:
            raise ConnectorError(f"cannot read {error.message}") from error
        if not self._files:
            raise self._refused("it has no files")
        self._folders |= tar.folders(self._files)
        for path in self._files:
            if path in self._folders:
                raise self._refused(f"{path} is both a file and a folder")
        return [self._files[path] for path in sorted(self._files)]

    def _read(self, blob: BufferedReader) -> None:
        with Stream(blob, self._shown) as stream:
            for member in stream.entries():
                self._add(member, stream)
            # Python's reader treats anything that is not a header as the end of the archive.
            if len(stream.last) < tar.BLOCK or stream.last.strip(b"\0"):
                raise tarfile.ReadError("it ends without the end of a tar")
            rest = 0
            for piece in stream.pieces(_PADDING + 1):
                rest += len(piece)
                if rest > _PADDING or bytes(piece).strip(b"\0"):
                    raise self._refused("it has data after its end")

    def _add(self, member: tarfile.TarInfo, stream: Stream) -> None:
        self._count += 1
        self._size += member.size
        if self._count > _MOST_FILES:
            raise self._refused(f"it has more than {_MOST_FILES} entries")
        if member.size < 0:
            raise self._refused(f"{_quoted(member.name)} has a negative size")
        if self._size > _LARGEST or (self._size > _HARMLESS and self._size > _RATIO * self._packed):
            raise self._refused(f"it unpacks to more than {_limit(self._packed)}")
        path = self._place(member)
        if member.isdir():
            if path:
                self._folders.add(path)
            return
        if not member.isreg() or member.issparse():
            kind = _KINDS.get(member.type, "an entry of an unknown kind")
            raise self._refused(f"{_quoted(member.name)} is {kind}; a distribution has only files and folders")
        if not path:
            raise self._refused(f"{_quoted(member.name)} is not in a folder; a distribution has one top folder")
        stream.seek(member.offset_data)
        digest = self._keep(stream, member.size)
        if path.endswith(".jar"):
            self._check_jar(path, digest, member.size)
        # Gradle makes what is in bin/ executable; tools that pack the tar again may forget that.
        executable = bool(member.mode & stat.S_IXUSR) or path.startswith("bin/")
        file = DistributionFile(path, digest.hex, executable)
        # Gradle's own builds contain files twice where projects overlap.
        if self._files.setdefault(path, file).sha256 != file.sha256:
            raise self._refused(f"it has {path} twice, with different contents")

    def _keep(self, stream: Stream, size: int) -> Digest:
        """Puts the entry's bytes into the store; most jars are there already, from other connectors."""
        if size <= _IN_MEMORY:
            return self._store.put(b"".join(stream.content(size)))
        with self._store.writer() as writer:
            for part in stream.content(size):
                writer.write(bytes(part))
        return writer.digest

    def _place(self, member: tarfile.TarInfo) -> str:
        """Returns the path below the top folder; empty for the top folder itself."""
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        plain = "/".join(parts)
        if why := problem_of_path(f"/{plain}" if member.name.startswith("/") else plain) if plain else "":
            raise self._refused(f"it has an entry with {why}: {_quoted(member.name)}")
        if not parts or (len(parts) == 1 and not member.isdir()):
            return ""
        if self._top not in ("", parts[0]):
            raise self._refused(f"it has two top folders, {self._top} and {parts[0]}; a distribution has one")
        self._top = parts[0]
        return "/".join(parts[1:])

    def _check_jar(self, path: str, digest: Digest, size: int) -> None:
        """Refuses a jar that is invalid or would harm its readers; airbyte-ci itself only copies it."""
        try:
            with self._store.path(digest).open("rb") as file:
                members = zip_layout.directory(file, size, _MOST_ENTRIES, "jars")
        except LayoutRefused as error:
            raise self._refused(f"{path}: {error}") from error
        except BadZipFile as error:
            raise self._refused(f"{path} is not a jar ({error})") from error
        total = sum(member.size for member in members)
        if total > _LARGEST_JAR or (total > _HARMLESS and total > _RATIO * size):
            raise self._refused(f"{path} unpacks to more than {_limit(size, _LARGEST_JAR)}")

    def _refused(self, reason: str) -> ConnectorError:
        return ConnectorError(f"cannot read {self._shown}: {reason}")


def _limit(packed: int, largest: int = _LARGEST) -> str:
    return f"{max(_HARMLESS, min(largest, _RATIO * packed)) / 1e6:.0f} MB"


def _quoted(name: str) -> str:
    return name[:80] if name and name.isprintable() else repr(name[:80])


def _other_kind(blob: BufferedReader) -> str:
    """Returns what a file without a readable entry is; empty for one that is compressed, which may hold a tar."""
    blob.seek(0)
    magic = blob.read(4)
    if magic == b"PK\x03\x04":
        return "it is a zip archive; `distTar` makes the tar"
    return "" if magic.startswith(_COMPRESSED) else "it is not a tar archive"
