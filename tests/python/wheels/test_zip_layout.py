"""A wheel's zip has no unused byte, and all its records agree; the output of real writers is accepted."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.python.wheels import wheel_archive, zip_layout
from airbyte_ci.python.wheels.wheel_archive import WheelRefused

NAMES = ("demo/__init__.py", "demo/a.py", "demo-1.0.dist-info/METADATA")
END = 22


def _written(*, stream: bool = False, large: bool = False, stored: bool = False, comment: bytes = b"") -> bytes:
    """An archive as Python writes it: to a file or to a pipe, with sizes of 64 bits or not."""
    data = io.BytesIO()
    target: Any = _Pipe(data) if stream else data
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w", method) as archive:
        for name in NAMES:
            with archive.open(name, "w", force_zip64=large) as file:
                file.write(name.encode() * 20)
        archive.comment = comment
    return data.getvalue()


class _Pipe:
    def __init__(self, data: io.BytesIO) -> None:
        self._data = data

    def write(self, data: bytes) -> int:
        return self._data.write(data)

    def flush(self) -> None:
        pass


def _is_accepted(data: bytes) -> bool:
    try:
        with wheel_archive.open_checked(io.BytesIO(data)) as archive:
            assert sorted(archive.namelist()) == sorted(NAMES)
    except (WheelRefused, zipfile.BadZipFile):
        return False
    return True


WRITTEN = {
    "file": _written(),
    "pipe": _written(stream=True),
    "64 bits": _written(large=True),
    "64 bits through a pipe": _written(stream=True, large=True),
    "stored": _written(stored=True),
    "with a comment": _written(comment=b"made by a builder"),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_writers_make_is_accepted(kind: str) -> None:
    """Sizes before the data or behind it, of 32 bits or of 64, a comment that is only text."""
    assert _is_accepted(WRITTEN[kind])


@given(st.sampled_from(sorted(WRITTEN)), st.data(), st.binary(min_size=1, max_size=60))
def test_no_byte_belongs_to_nothing(kind: str, data: st.DataObject, junk: bytes) -> None:
    """Bytes that are put in anywhere, before, between or behind the records, are found, and so are those taken out."""
    whole = WRITTEN[kind]
    place = data.draw(st.integers(0, len(whole)))
    assert not _is_accepted(whole[:place] + junk + whole[place:])
    if cut := whole[place : place + len(junk)]:
        assert not _is_accepted(whole[:place] + whole[place + len(cut) :])


def _hidden() -> bytes:
    """A member with its header, as it lies in an archive, that no directory names."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("demo/hidden.py", b"bad = 1\n")
    return data.getvalue()[: data.getvalue().index(b"PK\x01\x02")]


def _moved(data: bytes, by: int, *, members: bool) -> bytes:
    """The same archive with a directory whose offsets are `by` bytes larger, to fit inserted bytes."""
    result = bytearray(data)
    (start,) = struct.unpack_from("<L", data, len(data) - END + 16)
    struct.pack_into("<L", result, len(data) - END + 16, start + by)
    position = start if members else len(data)
    while result[position : position + 4] == b"PK\x01\x02":
        (offset,) = struct.unpack_from("<L", result, position + 42)
        struct.pack_into("<L", result, position + 42, offset + by)
        position += 46 + sum(struct.unpack_from("<3H", result, position + 28))
    return bytes(result)


def _between(data: bytes, hidden: bytes) -> bytes:
    """In front of the directory, whose place is corrected."""
    (start,) = struct.unpack_from("<L", data, len(data) - END + 16)
    moved = _moved(data, len(hidden), members=False)
    return moved[:start] + hidden + moved[start:]


def _two_ends(data: bytes) -> bytes:
    """A second archive in the comment of the first: which one a reader finds depends on where it begins."""
    other = _written(stored=True)
    return data[:-2] + struct.pack("<H", len(other)) + other


def _flag(data: bytes, flag: int) -> bytes:
    result = bytearray(data)
    struct.pack_into("<H", result, 6, flag)
    return bytes(result)


def _other_path(data: bytes) -> bytes:
    """A second name for readers that know the extra field for names in UTF-8 (APPNOTE 4.6.9)."""
    extra = struct.pack("<HHBL", 0x7075, 5 + len(b"demo/evil.py"), 1, 0) + b"demo/evil.py"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for name in NAMES:
            info = zipfile.ZipInfo(name)
            info.extra = extra if name == "demo/a.py" else b""
            made.writestr(info, b"")
    return archive.getvalue()


MEANT: dict[str, Callable[[bytes], bytes]] = {
    "a hidden member in front, offsets corrected": lambda data: _hidden() + _moved(data, len(_hidden()), members=True),
    "a hidden member before the directory": lambda data: _between(data, _hidden()),
    "a hidden member behind the end": lambda data: data + _hidden(),
    "two archives one after the other": lambda data: data + data,
    "an archive in the comment": _two_ends,
    "a directory's record in the comment": lambda data: data[:-2] + b"\x04\0PK\x01\x02",
    "encrypted by its header only": lambda data: _flag(data, 1),
    "sizes later by its header only": lambda data: _flag(data, 8),
    "another name for some readers": _other_path,
    "fewer files than the directory has": lambda data: data[:-14] + struct.pack("<HH", 2, 2) + data[-10:],
    "more files than the directory has": lambda data: data[:-14] + struct.pack("<HH", 4, 4) + data[-10:],
    "a part of several": lambda data: data[:-18] + b"\1\0" + data[-16:],
}


@pytest.mark.parametrize("meant", MEANT)
def test_no_reader_sees_other_files(meant: str) -> None:
    """Tricks by which streaming, searching and directory readers disagree."""
    assert not _is_accepted(MEANT[meant](WRITTEN["file"]))


def test_compression_that_wheels_do_not_have_is_refused() -> None:
    """bzip2 and LZMA unpack a small piece at once, of any size; no builder of wheels uses them."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", method) as archive:
            for name in NAMES:
                archive.writestr(name, b"x")
        assert not _is_accepted(data.getvalue())


def test_a_directory_of_many_files_is_not_read() -> None:
    """How many there are is known before the first of them takes memory."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number in range(50):
            archive.writestr(str(number), b"")
    with pytest.raises(zip_layout.LayoutRefused, match="50 files"):
        zip_layout.read(data, len(data.getvalue()), 49)
    assert len(zip_layout.read(data, len(data.getvalue()), 50)) == 50


def _members(*, packed: bytes, content: bytes, size: int | None = None, stored: bool = False) -> bytes:
    """An archive of one member, `demo/a.py`, whose records all agree on the given packed bytes."""
    name = b"demo/a.py"
    method = 0 if stored else 8
    size = len(content) if size is None else size
    fields = (0, method, 0, 33, zlib.crc32(content[:size]), len(packed), size, len(name), 0)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, *fields) + name + packed
    central = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, *fields, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


CONTENT = b"good = 1\n" * 5000
CONTENTS: dict[str, bytes] = {
    "bytes after the compressed data": _members(packed=_deflated(CONTENT) + b"\0", content=CONTENT),
    "a hidden member after the compressed data": _members(packed=_deflated(CONTENT) + _hidden(), content=CONTENT),
    "a second stream after the first": _members(packed=_deflated(CONTENT) * 2, content=CONTENT),
    "more than its size": _members(packed=_deflated(CONTENT), content=CONTENT, size=900),
    "more than its size, which is nothing": _members(packed=_deflated(CONTENT), content=CONTENT, size=0),
    "less than its size": _members(packed=_deflated(CONTENT), content=CONTENT, size=len(CONTENT) + 1),
    "compressed data that is cut off": _members(packed=_deflated(CONTENT)[:-1], content=CONTENT),
    "an end that is cut off": _members(packed=_deflated(b"")[:-1], content=b""),
    "stored, more than its size": _members(packed=CONTENT, content=CONTENT, size=900, stored=True),
    "stored, less than its size": _members(packed=CONTENT, content=CONTENT, size=len(CONTENT) + 1, stored=True),
    "another content than its checksum": _members(packed=_deflated(CONTENT), content=CONTENT[::-1]),
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("piece", [-1, 1, 1000, 1 << 20])
def test_a_members_packed_bytes_are_its_content(kind: str, piece: int) -> None:
    """All of them, no more and no less, however they are read; Python's own reader passes over most of these."""
    with wheel_archive.open_checked(io.BytesIO(CONTENTS[kind])) as archive:
        with pytest.raises((zip_layout.LayoutRefused, zipfile.BadZipFile, zlib.error)):
            _read(archive, "demo/a.py", piece)
        with pytest.raises((zip_layout.LayoutRefused, zipfile.BadZipFile, zlib.error)):
            wheel_archive.finish(archive, archive.infolist())


def _read(archive: zipfile.ZipFile, name: str, piece: int) -> bytes:
    with archive.open(name) as stream:
        return b"".join(iter(lambda: stream.read(piece), b""))


@given(st.binary(max_size=4000), st.booleans(), st.integers(1, 5000))
def test_a_member_is_read_as_python_reads_it(content: bytes, stored: bool, piece: int) -> None:
    """With any content, in pieces of any size."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/b", content)
        made.writestr("a/c", content[::-1])
    with wheel_archive.open_checked(data) as archive:
        assert _read(archive, "a/c", piece) == content[::-1]
        assert archive.read("a/b") == content
