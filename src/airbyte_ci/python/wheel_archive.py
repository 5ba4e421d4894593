"""A wheel's zip archive, looked at before anything of it is read: names, kinds, sizes and layout of its members.

Knows zip files (APPNOTE.TXT) and what a wheel has no use for; not where a file is installed, and no RECORD.
"""

import posixpath
import struct
from pathlib import Path
from stat import S_IFDIR, S_IFMT, S_IFREG
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from airbyte_ci.oci import tar

# A wheel that unpacks to more than this is an attack or a mistake. Real wheels stay below 30 times their size.
SIZE_LIMIT = 8 << 30
FILE_LIMIT = 250_000
RATIO_LIMIT = 200
_RATIO_FROM = 64 << 20
# What is read at once: RECORD of the largest wheels has some 2 MB.
METADATA_LIMIT = 32 << 20

_LOCAL = struct.Struct("<4s5H3L2H")
_ZIP64 = 0xFFFFFFFF
_LATER = 0x08  # flag: checksum and sizes follow the bytes, and the header in front of them has zeros


class WheelRefused(ValueError):
    """What is wrong with a wheel, without its name."""


def check(archive: ZipFile, path: Path) -> None:
    """Raises WheelRefused for an archive that no builder makes, or that means different things to different readers."""
    members = archive.infolist()
    _check_sizes(members, path.stat().st_size)
    for member in members:
        _check_name(member)
        _check_kind(member)
    _check_tree(members)
    with path.open("rb") as file:
        _check_layout(file, members, archive.start_dir)


def _check_sizes(members: list[ZipInfo], packed: int) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > FILE_LIMIT or total > SIZE_LIMIT or total > _RATIO_FROM + RATIO_LIMIT * packed:
        raise WheelRefused(f"it unpacks to more than a wheel may: {len(members)} files, {total / 1e6:.0f} MB")
    for member in members:
        folder, _, _ = member.filename.partition("/")
        if folder.endswith(".dist-info") and member.file_size > METADATA_LIMIT:
            raise WheelRefused(f"its {member.filename} has {member.file_size / 1e6:.0f} MB, too much for metadata")


def _check_name(member: ZipInfo) -> None:
    """A plain relative path: what comes later relies on it. Python cuts names at NUL, other readers do not."""
    name = member.filename.removesuffix("/")
    if "\\" in name or any(ord(mark) < 32 or ord(mark) == 127 for mark in member.orig_filename):
        raise WheelRefused(f"its file {member.orig_filename!r} has a name with a backslash or control characters")
    if posixpath.normpath(name) != name or name.startswith(("/", "../")) or name in ("", ".", ".."):
        raise WheelRefused(f"its file {member.filename!r} would land outside of its folder")


def _check_kind(member: ZipInfo) -> None:
    kind = S_IFMT(member.external_attr >> 16)
    if kind not in (0, S_IFREG, S_IFDIR) or (kind == S_IFDIR and not member.is_dir()):
        raise WheelRefused(f"its {member.filename!r} is a link or device, and a wheel holds plain files")
    if member.is_dir() and member.file_size:
        raise WheelRefused(f"its folder {member.filename!r} has content")


def _check_tree(members: list[ZipInfo]) -> None:
    """Each file once, and none that is a folder too. Names that differ in case only are two files, as on Linux."""
    files: set[str] = set()
    for member in members:
        if not member.is_dir():
            if member.filename in files:
                raise WheelRefused(f"it has two files called {member.filename!r}")
            files.add(member.filename)
    folders = {parent for member in members for parent in tar.parents(member.filename)}
    if both := sorted(files & folders):
        raise WheelRefused(f"its {both[0]!r} is both a file and a folder")


def _check_layout(file: BinaryIO, members: list[ZipInfo], directory: int) -> None:
    """Members one after the other, from the first byte on, each with the header that the directory has for it.

    A reader that goes by the directory and one that streams must see the same files; members that share bytes are how
    a small archive unpacks to a very large one.
    """
    end = 0
    for member in sorted(members, key=lambda item: item.header_offset):
        if member.header_offset < end or (end == 0 and member.header_offset):
            raise WheelRefused(f"its {member.filename!r} shares bytes with what is before it")
        file.seek(member.header_offset)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            raise BadZipFile(f"no header of {member.filename!r} where its directory has it")
        _, _, flags, method, _, _, checksum, packed, size, name, extra = _LOCAL.unpack(head)
        known = ((checksum, member.CRC), (packed, member.compress_size), (size, member.file_size))
        unsaid = (_ZIP64, 0) if flags & _LATER else (_ZIP64,)
        if method != member.compress_type or any(a != b and a not in unsaid for a, b in known):
            raise WheelRefused(f"its {member.filename!r} is not what the archive's directory says of it")
        end = member.header_offset + _LOCAL.size + name + extra + member.compress_size
    if end > directory:
        raise WheelRefused("its last file shares bytes with the archive's directory")
