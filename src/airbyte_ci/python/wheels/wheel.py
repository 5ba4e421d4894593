"""Wheels: a wheel file → the files it installs, at their final places in the image (wheel spec, PyPA).

`installer` parses wheels and RECORD; this module decides where files go, and ensures that none escapes. No image, no
index.
"""

import base64
import configparser
import os
import posixpath
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from installer import install
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, RecordEntry
from installer.scripts import Script
from installer.sources import WheelContentElement, WheelFile
from installer.utils import Scheme, parse_entrypoints
from packaging.tags import Tag
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from airbyte_ci.errors import PackageError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.python.wheels import recorded, wheel_archive
from airbyte_ci.python.wheels.contents import MemberContents
from airbyte_ci.python.wheels.wheel_archive import WheelRefused
from airbyte_ci.python.wheels.zip_layout import LayoutRefused

FORMAT_VERSION = 3

# Errors by which installer and zipfile report an invalid file.
_DAMAGE = (
    *(InstallerError, InvalidWheelFilename, zipfile.BadZipFile, zlib.error, configparser.Error),
    *(ValueError, LookupError, TypeError, AssertionError, RuntimeError, EOFError, OSError),
)

TagOrder = Mapping[Tag, int]


def tag_order(interpreter: Interpreter) -> TagOrder:
    """Returns the position of each tag that the interpreter accepts; 0 is best."""
    return {tag: position for position, tag in enumerate(interpreter.tags())}


def choose(files: Iterable[LockedFile], order: TagOrder) -> LockedFile | None:
    """Returns the best wheel among the files for an interpreter, or None if no wheel fits."""
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
            # A later build of the same tag corrects the earlier one; a missing build number is the lowest.
            candidate = (-min(positions), build, file.name, file)
            if best is None or candidate[:3] > best[:3]:
                best = candidate
    return best[3] if best else None


@dataclass(frozen=True, slots=True)
class InstalledWheel:
    """A wheel's files in the image; paths relative to the root. `record` is the path of RECORD.

    `defects` are the wheel's faults that other installers ignore too, and that are repaired in the image.
    """

    name: NormalizedName
    version: str
    entries: tuple[Entry, ...]
    record: str
    defects: tuple[str, ...] = ()


def read(path: Path, filename: str, interpreter: Interpreter, scratch: Path | None = None) -> InstalledWheel:
    """Returns the wheel as installed for this interpreter; raises PackageError for an invalid wheel.

    `scratch` is an empty folder for contents that are too large for memory; entries refer to files in it.
    """
    try:
        name, version, _, _ = parse_wheel_filename(filename)
        with path.open("rb") as file, wheel_archive.open_checked(file) as archive:
            source = _Source(archive, filename, name, version)
            source.check_metadata()
            destination = _Destination(interpreter, filename, MemberContents(scratch))
            # Some wheels ship their builder's INSTALLER; a second one would be listed twice in RECORD.
            told = {} if "INSTALLER" in source.dist_info_filenames else {"INSTALLER": b"airbyte-ci\n"}
            install(source, destination, told)
            defects = (*source.defects(), *destination.defects)
    except (WheelRefused, LayoutRefused) as error:
        raise PackageError(f"cannot install {filename}: {error}") from error
    except _DAMAGE as error:
        reason = "; ".join(getattr(error, "issues", ())) or str(error) or type(error).__name__
        raise PackageError(f"cannot install {filename}: it is not a valid wheel ({_line(reason)})") from error
    return InstalledWheel(
        canonicalize_name(name),
        str(version),
        entries=tuple(destination.entries.values()),
        record=destination.record,
        defects=defects,
    )


def _line(reason: str) -> str:
    """Returns one line of limited length, for any text of a wheel."""
    text = " ".join(reason.split())
    return text if len(text) <= 500 else f"{text[:499]}…"


class _Source(WheelFile):
    """A wheel with its original file name; the store names it by its hash."""

    def __init__(self, archive: zipfile.ZipFile, filename: str, name: NormalizedName, version: Version) -> None:
        archive.filename = filename
        super().__init__(archive)
        self._archive = archive
        self._whose = (name, version)
        self._defects: list[str] = []

    @cached_property
    def data_dir(self) -> str:
        """Returns the wheel's data folder. Its name may be spelled differently than in the file's name, like
        .dist-info's.
        """
        found = {name.partition("/")[0] for name in self._archive.namelist() if ".data" in name}
        folders = sorted(name for name in found if name.endswith(".data"))
        if len(folders) > 1 or any(_whose(folder) != self._whose for folder in folders):
            raise WheelRefused(f"it contains the data folder of another distribution ({', '.join(folders)})")
        if folders and folders[0] in self._archive.namelist():
            raise WheelRefused(f"its {folders[0]} is a file, and should be a folder")
        return folders[0] if folders else super().data_dir

    @cached_property
    def dist_info_filenames(self) -> list[str]:
        """Returns the names of the metadata files; `installer` would compare the paths of all files at each use."""
        start = f"{self.dist_info_dir}/"
        names = (name.removeprefix(start) for name in self._archive.namelist() if name.startswith(start))
        return [name for name in names if name and not name.endswith("/")]

    def check_metadata(self) -> None:
        """Verifies that folder and METADATA name the same distribution as the file, because tools rely on it."""
        headers = HeaderParser().parsestr(self._archive.read(f"{self.dist_info_dir}/METADATA").decode(errors="replace"))
        told = [[str(value) for value in headers.get_all(key, [])] for key in ("Name", "Version")]
        match told:
            case [[name], [version]] if (canonicalize_name(name), Version(version)) == self._whose:
                pass
            case _:
                raise WheelRefused(f"its METADATA describes {_line(' '.join(chain(*told))) or 'nothing'}")
        if _whose(self.dist_info_dir) != self._whose:
            raise WheelRefused(f"its metadata folder has another version ({self.dist_info_dir})")

    def get_contents(self) -> Iterator[WheelContentElement]:
        """Yields the archive's content in pip's order: of two files for a place, the later one stays.

        Excludes byte code, whose Python and source are unknown (`installer` skips it too), and scripts that an entry
        point replaces.
        """
        record = self._record
        points = self._entry_points()
        members = {item.filename: item for item in self._archive.infolist() if not item.is_dir()}
        count = sum(not item.is_dir() for item in self._archive.infolist())
        if count > len(members):
            self._defects.append(
                f"{count - len(members)} of its files are in the archive twice; the later ones are installed"
            )
        unread = [item for item in self._archive.infolist() if members.get(item.filename) is not item]
        for path in sorted(members, key=self._turn):
            with self._archive.open(members[path]) as stream:
                compared = cast("BinaryIO", record.compare(path, cast("BinaryIO", stream)))
                if path.startswith(f"{self.data_dir}/scripts/") and _started_name(path) in points:
                    self._defects.append(f"its script {path} is replaced by the entry point of that name")
                    unread.append(members[path])
                elif "__pycache__" in path.split("/"):
                    unread.append(members[path])
                else:
                    mode = members[path].external_attr >> 16
                    yield (path, "", ""), compared, bool(mode and stat.S_ISREG(mode) and mode & 0o111)
        wheel_archive.finish(self._archive, unread)
        record.close(members)

    @cached_property
    def _record(self) -> recorded.RecordFile:
        path = f"{self.dist_info_dir}/RECORD"
        if path not in self._archive.namelist():
            raise WheelRefused("it has no RECORD")
        return recorded.RecordFile(path, self._archive.read(path))

    def read_dist_info(self, filename: str) -> str:
        """Returns the text of a metadata file; of two entry points with one name, pip uses the later one."""
        text = super().read_dist_info(filename)
        if filename != "entry_points.txt":
            return text
        parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
        parser.read_string(text.removeprefix("\ufeff"))
        for section in {"console_scripts", "gui_scripts"} & set(parser.sections()):
            for key, value in parser[section].items():
                if not _CALLABLE.match(value):
                    raise WheelRefused(
                        f"its entry point {_line(f'{key} = {value}')} names no callable, as module:function"
                    )
        sections = (
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in parser[name].items())
            for name in parser.sections()
        )
        return "".join(sections)

    def _entry_points(self) -> set[str]:
        """Returns the names of the scripts of its entry points."""
        if "entry_points.txt" not in self.dist_info_filenames:
            return set()
        return {name for name, *_ in parse_entrypoints(self.read_dist_info("entry_points.txt"))}

    def _turn(self, path: str) -> int:
        """Returns pip's order of writing: packages first, then the other schemes, then scripts."""
        if not path.startswith(f"{self.data_dir}/"):
            return 0
        return 2 if path.startswith(f"{self.data_dir}/scripts/") else 1

    def defects(self) -> list[str]:
        """Returns a line for RECORD itself, and the others."""
        wrong = self._record.defects
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return [*([f"its RECORD was repaired: {wrong[0]}{more}"] if wrong else []), *self._defects]


_CALLABLE = re.compile(r"[^:]+:\s*\w")


def _started_name(path: str) -> str:
    """Returns the entry point whose wrapper a script of the data folder could be, by pip's rule."""
    name = posixpath.basename(path)
    for ending in (".exe", "-script.py", ".pya"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def _whose(folder: str) -> tuple[NormalizedName, Version]:
    """Returns the name and version in `demo-1.0.dist-info` or `demo-1.0.data`."""
    name, _, version = folder.rpartition(".")[0].rpartition("-")
    return canonicalize_name(name), Version(version.replace("_", "-"))


class _Destination(WheelDestination):
    """Collects entries at the places of an image's interpreter."""

    def __init__(self, interpreter: Interpreter, filename: str, contents: MemberContents) -> None:
        self._interpreter = interpreter
        self._contents = contents
        distribution = filename.split("-")[0]
        self._roots: dict[str, str] = {
            "purelib": interpreter.purelib,
            "platlib": interpreter.platlib,
            "scripts": interpreter.scripts,
            "data": interpreter.data,
            "headers": posixpath.join(interpreter.headers, distribution),
        }
        names = ("python", "python3", "python" + ".".join(map(str, interpreter.minor)))
        python = {interpreter.executable, *(posixpath.join(interpreter.scripts, name) for name in names)}
        # A file in place of a folder would hide everything in the image's folder.
        folders = {*self._roots.values(), *(parent for path in python for parent in tar.parents(path))}
        self._taken = {*python, *folders, *(parent for folder in folders for parent in tar.parents(folder))}
        self.entries: dict[str, Entry] = {}
        self.record = ""
        self.defects: list[str] = []
        self._points: set[str] = set()
        self._rows: dict[str, RecordEntry] = {}

    def write_file(  # installer's signature
        self,
        scheme: Scheme,
        path: str | os.PathLike[str],
        stream: BinaryIO,
        is_executable: bool,  # noqa: FBT001
    ) -> RecordEntry:
        content = chunks(stream)
        if scheme == "scripts":
            content = _with_shebang(content, self._interpreter.executable)
            is_executable = True
        return self._keep(scheme, str(path), content, executable=is_executable)

    def write_script(self, name: str, module: str, attr: str, section: str) -> RecordEntry:
        script = Script(name, module, attr, section)  # type: ignore[arg-type]  # installer types it as a Literal
        filename, content = script.generate(self._interpreter.executable, "posix")
        kept = self._keep("scripts", filename, iter((content,)), executable=True)
        self._points.add(self._place("scripts", filename))
        return kept

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        root = self._roots[scheme]
        rows = {}
        for item_scheme, record in records:
            place = self._place(item_scheme, record.path)
            # The file that stays, of several for a place.
            _, digest, size = self._rows.get(place, record).to_row()
            rows[place] = (posixpath.relpath(f"/{place}", root), digest, size)
        lines = sorted(",".join(map(_csv, row)) for row in rows.values())
        content = "".join(f"{line}\n" for line in lines).encode()
        self._keep(scheme, record_file_path, iter((content,)), executable=False)
        self.record = posixpath.join(root, record_file_path).lstrip("/")
        self._check_tree()

    def _keep(self, scheme: str, path: str, content: Iterator[bytes], *, executable: bool) -> RecordEntry:
        place = self._place(scheme, path)
        if place in self.entries:
            self.defects.append(f"it has two files for /{place}")
            if place in self._points and not (scheme == "scripts" and executable):
                return self._rows[place]
        kept = self._contents.keep(content)
        self.entries[place] = Entry(path=place, mode=0o755 if executable else 0o644, content=kept.content)
        self._rows[place] = RecordEntry(path, Hash("sha256", _base64(kept.digest)), kept.size)
        return self._rows[place]

    def _place(self, scheme: str, path: str) -> str:
        """Returns where a file goes: inside its scheme's folder, and not in place of the interpreter."""
        root = self._roots[scheme]
        place = posixpath.normpath(posixpath.join(root, path))
        if not place.startswith(root.rstrip("/") + "/") or "\0" in place:
            raise WheelRefused(f"its file {path!r} would be installed outside {root}")
        if place in self._taken:
            raise WheelRefused(f"its file {path!r} would replace the image's Python ({place})")
        return place.lstrip("/")

    def _check_tree(self) -> None:
        """Refuses a path that is a file in one scheme and a folder in another, because schemes may share folders."""
        folders = tar.folders(self.entries)
        if both := sorted(folders & self.entries.keys()):
            raise WheelRefused(f"it has /{both[0]} both as a file and as a folder")


def _base64(digest: Digest) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest.hex)).decode().rstrip("=")


def _csv(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell


def _with_shebang(content: Iterator[bytes], executable: str) -> Iterator[bytes]:
    """Replaces `#!python` at the start of a wheel's script by the interpreter (binary distribution format)."""
    start = next(content, b"")
    first, newline, rest = start.partition(b"\n")
    if first.startswith(b"#!python"):
        start = b"#!" + executable.encode() + newline + rest
    return chain((start,), content)
