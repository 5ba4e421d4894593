"""The layout of a zip archive (APPNOTE.TXT): members, then the directory, then its end, and nothing else.

Readers use the directory, stream the members, or search for the end. Only an archive without gaps, in which all records
agree, has the same files for all of them. See `wheel_archive` for what a wheel is.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import BadZipFile

# What Python's own reader raises for an archive that is damaged, or has a member that is missing or not supported.
UNREADABLE = (BadZipFile, zlib.error, LookupError, EOFError, OSError, ValueError, NotImplementedError)
# The directory of the largest real wheels has about 2 MB.
DIRECTORY_LIMIT = 64 << 20

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_SIGNATURES = (b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x01\x02", b"PK\x03\x04")
_COMMENT_LIMIT = 0xFFFF
_16, _32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _LATER = 0x01, 0x08
# Flags that affect how a member is read: encryption, sizes after its data, patches, its name's encoding, masks.
_READING = _ENCRYPTED | _LATER | 0x20 | 0x40 | 0x800 | 0x2000
_SIZES_64, _UNICODE_PATH = 0x0001, 0x7075
STORED, DEFLATED = 0, 8


class LayoutRefused(ValueError):
    """A fault of an archive's layout, without its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member as the directory describes it; sizes and `offset` in bytes."""

    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int

    @property
    def shown(self) -> str:
        return repr(self.name[:200].decode(errors="replace"))


def read(file: BinaryIO, size: int, most: int) -> list[Member]:
    """Returns the members of an archive of `size` bytes by offset; raises LayoutRefused, BadZipFile for an ambiguous
    byte.

    `most` is the maximum number of members.
    """
    members, start = _listed(file, size, most, "wheels")
    end = 0
    for number, member in enumerate(members):
        after = members[number + 1].offset if number + 1 < len(members) else start
        end = _check_member(file, member, end, after)
    if end != start:
        raise LayoutRefused("it has bytes before its directory that belong to no file")
    return members


def directory(file: BinaryIO, size: int, most: int, what: str) -> list[Member]:
    """Returns the members as the directory describes them; raises LayoutRefused, BadZipFile.

    The members themselves are not read, so the directory may describe them wrongly.
    """
    members, _ = _listed(file, size, most, what)
    return members


def _listed(file: BinaryIO, size: int, most: int, what: str) -> tuple[list[Member], int]:
    """Returns the members of the directory by offset, and where the directory begins."""
    count, start, length = _directory(file, size)
    if count > most or length > DIRECTORY_LIMIT:
        raise LayoutRefused(f"it unpacks to more than the limit for {what}: {count} files")
    file.seek(start)
    return sorted(_central(file.read(length), count), key=lambda member: member.offset), start


def _directory(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Returns the number of entries, the offset and the length of the directory, which ends where the archive's end
    begins.
    """
    tail_at = max(0, size - _END.size - _COMMENT_LIMIT)
    file.seek(tail_at)
    tail = file.read(size - tail_at)
    position = _end(tail)
    _, disk, first_disk, here, count, length, start, _ = _END.unpack_from(tail, position)
    comment = tail[position + _END.size :]
    if any(signature in comment for signature in _SIGNATURES):
        raise LayoutRefused("its comment holds records of an archive")
    end = tail_at + position
    locator = tail[max(0, position - _LOCATOR.size) : position]
    if locator.startswith(b"PK\x06\x07") and len(locator) == _LOCATOR.size:
        short = (here, count, length, start)
        end, here, count, length, start = _end_64(file, end, locator)
        for value, said, limit in zip((here, count, length, start), short, (_16, _16, _32, _32), strict=True):
            if said not in (value, limit):
                raise LayoutRefused("its two ends do not agree")
    elif _16 in (here, count) or _32 in (length, start):
        raise BadZipFile("its end record refers to another one that does not exist")
    if disk or first_disk or here != count:
        raise LayoutRefused("it is one part of a multi-part archive")
    if start + length != end:
        raise LayoutRefused("it has bytes before its first file, or after its directory, that belong to nothing")
    return count, start, length


def _end(tail: bytes) -> int:
    """Returns the position of the only end record whose comment reaches the end of the file."""
    position = len(tail)
    while (position := tail.rfind(_SIGNATURES[0], 0, position)) >= 0:
        if position + _END.size <= len(tail):
            (comment,) = struct.unpack_from("<H", tail, position + _END.size - 2)
            if position + _END.size + comment == len(tail):
                return position
            raise LayoutRefused("it has bytes after its end")
    raise BadZipFile("it has no end of a zip archive")


def _end_64(file: BinaryIO, end: int, locator: bytes) -> tuple[int, int, int, int, int]:
    """Returns the position and the values of the 64-bit end: entries here and in all, length and start of the
    directory.
    """
    _, disk, position, disks = _LOCATOR.unpack(locator)
    if disk or disks > 1 or position + _END_64.size + _LOCATOR.size != end:
        raise LayoutRefused("it has bytes between its ends that belong to nothing")
    file.seek(position)
    record = file.read(_END_64.size)
    if len(record) < _END_64.size or not record.startswith(b"PK\x06\x06"):
        raise BadZipFile("its end record refers to another one that does not exist")
    _, length, _, _, disk, first_disk, here, count, directory, start = _END_64.unpack(record)
    if disk or first_disk or length != _END_64.size - 12:
        raise LayoutRefused("its 64-bit end has fields that nothing reads")
    return position, here, count, directory, start


def _central(data: bytes, count: int) -> Iterator[Member]:
    position = 0
    for _ in range(count):
        head = data[position : position + _CENTRAL.size]
        if len(head) < _CENTRAL.size or not head.startswith(b"PK\x01\x02"):
            raise BadZipFile("its directory is truncated")
        _, _, _, flags, method, _, _, checksum, packed, size, named, more, said, disk, _, _, offset = _CENTRAL.unpack(
            head
        )
        position += _CENTRAL.size
        name, extra = data[position : position + named], data[position + named : position + named + more]
        position += named + more + said
        if position > len(data) or disk:
            raise BadZipFile("its directory is truncated")
        size, packed, offset = _full(name, extra, (size, packed, offset))
        yield Member(name=name, flags=flags, method=method, checksum=checksum, packed=packed, size=size, offset=offset)
    if position != len(data):
        raise LayoutRefused("its directory has bytes that belong to no file")


def _check_member(file: BinaryIO, member: Member, begin: int, after: int) -> int:
    """Returns where the member ends, which must begin at `begin`; the next record begins at `after`."""
    if member.offset != begin:
        problem = "shares bytes with what is before it" if member.offset < begin else "comes after bytes of no file"
        raise LayoutRefused(f"its {member.shown} {problem}")
    if member.flags & _ENCRYPTED or member.method not in (STORED, DEFLATED):
        raise BadZipFile(f"{member.shown} is encrypted, or compressed in a way that wheels are not")
    file.seek(begin)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
        raise BadZipFile(f"no header of {member.shown} where its directory has it")
    _, _, flags, method, _, _, checksum, packed, size, named, more = _LOCAL.unpack(head)
    end: int = begin + _LOCAL.size + named + more + member.packed
    if end > after:
        raise LayoutRefused(f"its {member.shown} shares bytes with the archive's directory or with another file")
    name, extra = file.read(named), file.read(more)
    size, packed = _full(name, extra, (size, packed))
    known = ((checksum, member.checksum), (packed, member.packed), (size, member.size))
    # With the flag, checksum and sizes follow the data, and the header before it may have zeros.
    agree = all(said == true or (flags & _LATER and said == 0) for said, true in known)
    if name != member.name or (flags ^ member.flags) & _READING or method != member.method or not agree:
        raise LayoutRefused(f"its {member.shown} is not what the archive's directory says of it")
    return end + (_descriptor(file, member, end, after) if flags & _LATER else 0)


def _descriptor(file: BinaryIO, member: Member, end: int, after: int) -> int:
    """Returns the length of the record after the data that repeats checksum and sizes, with or without a signature."""
    file.seek(end)
    found = file.read(min(24, after - end))
    for form in ("<4sLLL", "<4sLQQ", "<LLL", "<LQQ"):
        length = struct.calcsize(form)
        if length == after - end and len(found) == length:
            signature, *said = (b"PK\x07\x08", *struct.unpack(form, found))[-4:]
            if signature == b"PK\x07\x08" and said == [member.checksum, member.packed, member.size]:
                return length
    raise LayoutRefused(f"its {member.shown} is followed by bytes that belong to no file")


def _full(name: bytes, extra: bytes, values: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the values of a header; those that do not fit come from its extra field of 64-bit sizes."""
    fields: dict[int, bytes] = {}
    while extra:
        kind, length = struct.unpack("<HH", extra[:4]) if len(extra) >= 4 else (0, len(extra))
        if kind in fields or len(extra) < 4 + length:
            raise BadZipFile("a header has an extra field that is cut off or comes twice")
        fields[kind], extra = extra[4 : 4 + length], extra[4 + length :]
    if _UNICODE_PATH in fields and fields[_UNICODE_PATH][5:] != name:
        raise LayoutRefused(f"its {name[:200].decode(errors='replace')!r} has another name for some readers")
    large = fields.get(_SIZES_64, b"")
    found = []
    for value in values:
        if value == _32:
            if len(large) < 8:
                raise BadZipFile("a header refers to a 64-bit size that does not exist")
            (value,), large = struct.unpack("<Q", large[:8]), large[8:]
        found.append(value)
    return tuple(found)
