"""A wheel's zip archive, validated before anything is read: names, kinds and sizes of its members.

Knows which features no wheel needs. See `zip_layout` and `zip_member` for the archive's bytes, and `wheel` for RECORD
and places.
"""

import os
import posixpath
import re
from collections.abc import Iterable
from stat import S_IFDIR, S_IFMT, S_IFREG
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from airbyte_ci.oci import tar
from airbyte_ci.python.wheels import zip_layout
from airbyte_ci.python.wheels.zip_layout import LayoutRefused
from airbyte_ci.python.wheels.zip_member import StrictZipFile

# A wheel that unpacks to more than this is an attack or a mistake. Real wheels stay below 30 times their size.
SIZE_LIMIT = 8 << 30
FILE_LIMIT = 250_000
RATIO_LIMIT = 200
_RATIO_FROM = 64 << 20
# The size of a read: RECORD of the largest wheels has about 2 MB.
METADATA_LIMIT = 32 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class WheelRefused(ValueError):
    """A wheel's fault, without its name."""


def open_checked(file: BinaryIO) -> ZipFile:
    """Opens the archive in a seekable file; raises WheelRefused, BadZipFile for one that no builder creates.

    Such an archive has different meanings for different readers, or unpacks to more than a wheel may. Members are
    checked while they are read, and `finish` checks the unread ones.
    """
    packed = file.seek(0, os.SEEK_END)
    try:
        zip_layout.read(file, packed, FILE_LIMIT)
    except LayoutRefused as error:
        raise WheelRefused(str(error)) from error
    archive = StrictZipFile(file)
    members = archive.infolist()
    _check_sizes(members, packed)
    for member in members:
        _check_name(member)
        _check_kind(member)
    _check_tree(members)
    return archive


def finish(archive: ZipFile, unread: Iterable[ZipInfo]) -> None:
    """Reads members whose content is not used; raises LayoutRefused, BadZipFile, zlib.error."""
    for member in unread:
        with archive.open(member) as stream:
            while stream.read(1 << 20):
                pass


def _check_sizes(members: list[ZipInfo], packed: int) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > FILE_LIMIT or total > SIZE_LIMIT or total > _RATIO_FROM + RATIO_LIMIT * packed:
        raise WheelRefused(f"it unpacks to more than the limit for wheels: {len(members)} files, {total / 1e6:.0f} MB")
    for member in members:
        folder, _, _ = member.filename.partition("/")
        if folder.endswith(".dist-info") and member.file_size > METADATA_LIMIT:
            raise WheelRefused(f"its {member.filename} has {member.file_size / 1e6:.0f} MB, too much for metadata")


def _check_name(member: ZipInfo) -> None:
    """Refuses all but plain relative paths, on which later code relies. Python cuts names at NUL, others do not."""
    name = member.filename.removesuffix("/")
    if "\\" in name or _CONTROL.search(member.orig_filename):
        raise WheelRefused(f"its file {member.orig_filename!r} has a name with a backslash or control characters")
    if posixpath.normpath(name) != name or name.startswith(("/", "../")) or name in ("", ".", ".."):
        raise WheelRefused(f"its file {member.filename!r} would be written outside its folder")


def _check_kind(member: ZipInfo) -> None:
    kind = S_IFMT(member.external_attr >> 16)
    if kind not in (0, S_IFREG, S_IFDIR) or (kind == S_IFDIR and not member.is_dir()):
        raise WheelRefused(f"its {member.filename!r} is a link or a device, but a wheel may hold only regular files")
    if member.is_dir() and member.file_size:
        raise WheelRefused(f"its folder {member.filename!r} has content")


def _check_tree(members: list[ZipInfo]) -> None:
    """Refuses a file that is also a folder. Names that differ only in case are two files, as on Linux.

    A name may occur twice: every installer keeps the later one.
    """
    files = {member.filename for member in members if not member.is_dir()}
    folders = {parent for member in members for parent in tar.parents(member.filename)}
    if both := sorted(files & folders):
        raise WheelRefused(f"its {both[0]!r} is both a file and a folder")
