"""Reads one member of a zip archive strictly: every packed byte belongs to it, and its size is correct.

Python's own reader stops at the end of the compressed data or at the recorded size, and ignores what follows. Other
readers find files there, or a longer content. See `zip_layout` for the bytes around the members.
"""

import io
import struct
import zlib
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from airbyte_ci.python.wheels.zip_layout import DEFLATED, LayoutRefused

_LOCAL = struct.Struct("<26xHH")
_PIECE = 1 << 16


class StrictZipFile(ZipFile):
    """A zip archive, open for reading, whose members are read strictly."""

    def open(  # type: ignore[override]  # its stream is stricter
        self, name: str | ZipInfo, mode: str = "r", *_: object, **__: object
    ) -> "MemberStream":
        if mode != "r" or self.fp is None:
            raise ValueError("the archive is not open for writing")
        return MemberStream(self.fp, name if isinstance(name, ZipInfo) else self.getinfo(name))


class MemberStream(io.BufferedIOBase):
    """Reads a member whose header `zip_layout` has checked; raises LayoutRefused, BadZipFile or zlib.error."""

    def __init__(self, file: IO[bytes], member: ZipInfo) -> None:
        self._file, self._member = file, member
        file.seek(member.header_offset)
        named, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        self._position = member.header_offset + _LOCAL.size + named + extra
        self._packed, self._left, self._checksum = member.compress_size, member.file_size, 0
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == DEFLATED else None
        self._is_checked = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self._piece(_PIECE), b""))
        return self._piece(size) if size else b""

    read1 = read

    def _piece(self, most: int) -> bytes:
        """Returns up to `most` bytes of the content; empty if it has ended correctly."""
        if self._left == 0:
            self._check_end()
            return b""
        data = self._unpacked(min(most, self._left))
        if not data:
            raise BadZipFile(f"{self._shown} ends early")
        self._left -= len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        if self._left == 0:
            self._check_end()
        return data

    def _unpacked(self, most: int) -> bytes:
        if self._inflate is None:
            return self._taken(most)
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._taken(_PIECE)
            if data := self._inflate.decompress(packed, most):
                return data
            if not packed:
                break
        return b""

    def _check_end(self) -> None:
        if self._is_checked:
            return
        self._is_checked = True
        if self._inflate is not None:
            if self._unpacked(1):
                raise LayoutRefused(f"its {self._shown} holds more than its size says")
            if not self._inflate.eof:
                raise BadZipFile(f"the compressed data of {self._shown} ends early")
        if self._packed or (self._inflate is not None and self._inflate.unused_data):
            raise LayoutRefused(f"its {self._shown} has bytes after its data that belong to no file")
        if self._checksum != self._member.CRC:
            raise BadZipFile(f"{self._shown} has another checksum")

    def _taken(self, most: int) -> bytes:
        """Returns up to `most` of the packed bytes."""
        self._file.seek(self._position)
        data = self._file.read(min(most, self._packed))
        self._position += len(data)
        self._packed -= len(data)
        return data

    @property
    def _shown(self) -> str:
        return repr(self._member.filename[:200])
