"""Wheels: a wheel file → the files it installs, at their final places in the image (wheel spec, PyPA).

Reading and RECORD are `installer`'s; where files go, and that none escapes, is decided here. No disk, no image.
"""

import base64
import configparser
import os
import posixpath
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from installer import install
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, RecordEntry
from installer.scripts import Script
from installer.sources import WheelContentElement, WheelFile
from installer.utils import Scheme
from packaging.tags import Tag
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter import Interpreter
from airbyte_ci.python.lock import LockedFile

FORMAT_VERSION = 1
# A wheel that unpacks to more than this is an attack or a mistake.
_SIZE_LIMIT = 8 << 30
_FILE_LIMIT = 1_000_000


# How installer and zipfile say that a file is not what it should be.
_DAMAGE = (
    *(InstallerError, InvalidWheelFilename, zipfile.BadZipFile, zlib.error, configparser.Error),
    *(ValueError, LookupError, TypeError, AssertionError, RuntimeError, EOFError, OSError),
)

TagOrder = Mapping[Tag, int]


def tag_order(interpreter: Interpreter) -> TagOrder:
    """The position of each tag that the interpreter accepts; 0 is best."""
    return {tag: position for position, tag in enumerate(interpreter.tags())}


def choose(files: Iterable[LockedFile], order: TagOrder) -> LockedFile | None:
    """The best wheel among the files for an interpreter, or None where there is none."""
    best: tuple[int, tuple[()] | tuple[int, str], str, LockedFile] | None = None
    for file in files:
        if not file.name.endswith(".whl"):
            continue
        try:
            _, _, build, supported = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            continue
        positions = [order[tag] for tag in supported if tag in order]
        if positions:
            # A later build of the same tag is a correction of the earlier; none at all comes before the first.
            candidate = (-min(positions), build, file.name, file)
            if best is None or candidate[:3] > best[:3]:
                best = candidate
    return best[3] if best else None


@dataclass(frozen=True, slots=True)
class InstalledWheel:
    """A wheel's files in the image; paths relative to the root. `record` is where RECORD lies."""

    name: NormalizedName
    version: str
    entries: tuple[Entry, ...]
    record: str


def read(path: Path, filename: str, interpreter: Interpreter) -> InstalledWheel:
    """The wheel as installed for this interpreter; raises PackageError for a wheel that is not right."""
    try:
        name, version, _, _ = parse_wheel_filename(filename)
        with zipfile.ZipFile(path) as archive:
            _check_size(archive, filename)
            _check_names(archive, filename)
            source = _Source(archive, filename)
            source.validate_record()
            destination = _Destination(interpreter, filename)
            # Some wheels ship their builder's INSTALLER; a second one would be listed twice in RECORD.
            told = {} if "INSTALLER" in source.dist_info_filenames else {"INSTALLER": b"airbyte-ci\n"}
            install(source, destination, told)
    except _DAMAGE as error:
        reason = "; ".join(getattr(error, "issues", ())) or str(error) or type(error).__name__
        raise PackageError(f"installing {filename}: it is not a valid wheel ({reason})") from error
    return InstalledWheel(
        canonicalize_name(name), str(version), tuple(destination.entries.values()), destination.record
    )


def _check_size(archive: zipfile.ZipFile, filename: str) -> None:
    members = archive.infolist()
    if len(members) > _FILE_LIMIT or sum(member.file_size for member in members) > _SIZE_LIMIT:
        raise PackageError(f"installing {filename}: it unpacks to more than a wheel may")


def _check_names(archive: zipfile.ZipFile, filename: str) -> None:
    """Every name must be a plain relative path: what comes later relies on it, and never ends on some others."""
    data = f"{'-'.join(filename.split('-')[:2])}.data"
    for member in archive.infolist():
        name = member.filename.removesuffix("/")
        if posixpath.normpath(name) != name or name.startswith(("/", "../")) or name == "..":
            raise PackageError(f"installing {filename}: its file {member.filename!r} would land outside of its folder")
        if name == data and not member.is_dir():
            raise PackageError(f"installing {filename}: {name} is a file, and should be a folder")


class _Source(WheelFile):
    """A wheel with its true file name, wherever it is kept: the store knows it by its hash."""

    def __init__(self, archive: zipfile.ZipFile, filename: str) -> None:
        archive.filename = filename
        super().__init__(archive)

    def get_contents(self) -> Iterator[WheelContentElement]:
        """Without byte code: which Python made it, and of what, is not known (pip leaves it out too)."""
        return (item for item in super().get_contents() if "__pycache__" not in item[0][0].split("/"))


class _Destination(WheelDestination):
    """Collects entries at the places of an image's interpreter."""

    def __init__(self, interpreter: Interpreter, filename: str) -> None:
        self._interpreter = interpreter
        self._filename = filename
        distribution = filename.split("-")[0]
        self._roots: dict[str, str] = {
            "purelib": interpreter.purelib,
            "platlib": interpreter.platlib,
            "scripts": interpreter.scripts,
            "data": interpreter.data,
            "headers": posixpath.join(interpreter.headers, distribution),
        }
        self.entries: dict[str, Entry] = {}
        self.record = ""

    def write_file(
        self, scheme: Scheme, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        content = stream.read()
        if scheme == "scripts":
            content = _with_shebang(content, self._interpreter.executable)
            is_executable = True
        return self._keep(scheme, str(path), content, executable=is_executable)

    def write_script(self, name: str, module: str, attr: str, section: str) -> RecordEntry:
        script = Script(name, module, attr, section)  # type: ignore[arg-type]  # installer types it as a Literal
        filename, content = script.generate(self._interpreter.executable, "posix")
        return self._keep("scripts", filename, content, executable=True)

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        root = self._roots[scheme]
        rows = []
        for item_scheme, record in records:
            path = posixpath.join(self._roots[item_scheme], record.path)
            _, digest, size = record.to_row()
            rows.append((posixpath.relpath(path, root), digest, size))
        lines = sorted(",".join(map(_csv, row)) for row in rows)
        content = "".join(f"{line}\n" for line in lines).encode()
        self._keep(scheme, record_file_path, content, executable=False)
        self.record = posixpath.join(root, record_file_path).lstrip("/")

    def _keep(self, scheme: str, path: str, content: bytes, *, executable: bool) -> RecordEntry:
        place = self._place(scheme, path)
        if place in self.entries:
            raise PackageError(f"installing {self._filename}: it has two files for /{place}")
        self.entries[place] = Entry(place, mode=0o755 if executable else 0o644, content=content)
        digest = Digest.of(content)
        return RecordEntry(path, Hash("sha256", _base64(digest)), len(content))

    def _place(self, scheme: str, path: str) -> str:
        """Where a file goes; raises PackageError when that would be outside of its scheme's folder."""
        root = self._roots[scheme]
        place = posixpath.normpath(posixpath.join(root, path))
        if not place.startswith(root.rstrip("/") + "/") or "\0" in place:
            raise PackageError(f"installing {self._filename}: its file {path!r} would land outside of {root}")
        return place.lstrip("/")


def _base64(digest: Digest) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest.hex)).decode().rstrip("=")


def _csv(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell


def _with_shebang(content: bytes, executable: str) -> bytes:
    """Scripts of a wheel start with `#!python`, to be replaced by the interpreter (binary distribution format)."""
    first, newline, rest = content.partition(b"\n")
    if first.startswith(b"#!python"):
        return b"#!" + executable.encode() + newline + rest
    return content
