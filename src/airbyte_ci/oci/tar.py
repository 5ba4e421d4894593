"""The only tar writer: entries → deterministic bytes (ustar, pax where necessary; POSIX.1-2017 pax).

Knows nothing of layers. Reads the content of files, and the files of archives that it wrote itself. Every choice that
shapes bytes is here or in `compress`: the caller chooses the order (`sorted_entries`), the time is `MTIME`, names are
bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from airbyte_ci import records
from airbyte_ci.errors import ImageError

FORMAT_VERSION = 1
# One second after the epoch: some tools treat zero as "no time" (jib made the same choice).
MTIME = 1
BLOCK = 512
END = b"\0" * (2 * BLOCK)

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"

Kind = Literal["file", "hardlink", "symlink", "char", "block", "dir", "fifo"]
_TYPEFLAG: dict[Kind, bytes] = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "dir": b"5",
    "fifo": b"6",
}


class Writable(Protocol):
    """Anything with `write(bytes)`."""

    def write(self, data: bytes, /) -> object: ...


_OCTAL_8 = 0o7777777
_OCTAL_12 = 0o77777777777


@records.dataclass(frozen=True, slots=True)
class Extract:
    """A part of a file on disk, in bytes."""

    path: Path
    position: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Yields the bytes, at most 1 MiB at once; raises ImageError if the file is shorter."""
        left = self.size
        with self.path.open("rb") as file:
            file.seek(self.position)
            while left and (piece := file.read(min(left, 1 << 20))):
                yield piece
                left -= len(piece)
        if left:
            raise ImageError(f"{self.path} became shorter while it was read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a layer. `content` is the file's bytes, or where they are on disk."""

    path: str
    kind: Kind = "file"
    mode: int = 0o644
    content: bytes | Path | Extract = b""
    link: str = ""
    uid: int = 0
    gid: int = 0
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path=path, kind="dir", mode=mode, uid=uid, gid=gid)


def symlink(path: str, target: str) -> Entry:
    return Entry(path=path, kind="symlink", mode=0o777, link=target)


def whiteout(path: str) -> Entry:
    """Returns the entry that removes `path` of the layers below (image-spec, layer.md#whiteouts)."""
    parent, _, name = path.rpartition("/")
    return Entry(path=f"{parent}/{WHITEOUT}{name}" if parent else f"{WHITEOUT}{name}", mode=0)


def parents(path: str) -> Iterator[str]:
    """Returns the folders above a path, outermost first: `a/b/c` gives `a`, `a/b`."""
    position = path.find("/")
    while position != -1:
        yield path[:position]
        position = path.find("/", position + 1)


def folders(paths: Iterable[str]) -> set[str]:
    """Returns all folders above the paths, each computed once."""
    found: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        above = folder
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def sorted_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Sorts canonically: by path bytes; hard links after every file, since their target must come first."""
    return sorted(entries, key=lambda entry: (entry.kind == "hardlink", _bytes(entry.path)))


def write(entries: Iterable[Entry], target: Writable) -> None:
    """Writes the entries as given, without the end-of-archive blocks (`END`)."""
    for entry in entries:
        data = entry.content
        if isinstance(data, bytes):
            target.write(b"".join((header(entry, len(data)), data, bytes(-len(data) % BLOCK))))
            continue
        extract = _on_disk(data)
        target.write(header(entry, extract.size))
        for piece in extract.pieces():
            target.write(piece)
        target.write(bytes(-extract.size % BLOCK))


def content(entry: Entry) -> Iterator[bytes]:
    """Yields the bytes of a file, those on disk in pieces of at most 1 MiB."""
    if isinstance(entry.content, bytes):
        yield entry.content
    else:
        yield from _on_disk(entry.content).pieces()


def _on_disk(place: Path | Extract) -> Extract:
    return Extract(place, 0, place.stat().st_size) if isinstance(place, Path) else place


def files(archive: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Yields each regular file of an archive that `write` made: its path, its position in the archive, and its size.

    Several times as fast as `tarfile`, which also reads the archives of others.
    """
    records: dict[bytes, bytes] = {}
    while (block := archive.read(BLOCK)) and block[0]:
        name, prefix = (part.partition(b"\0")[0] for part in (block[:100], block[345:500]))
        position = archive.tell()
        size = int(records[b"size"]) if b"size" in records else int(block[124:135], 8)
        if block[156:157] == b"x":
            records = dict(_pax_records(archive.read(size)))
        else:
            if block[156:157] == b"0":
                path = records.get(b"path") or (prefix + b"/" + name if prefix else name)
                yield path.decode("utf-8", "surrogateescape"), position, size
            records = {}
        archive.seek(position + size + -size % BLOCK)


def _pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    while body:
        length, _, rest = body.partition(b" ")
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        yield key, value
        body = body[int(length) :]


def header(entry: Entry, size: int) -> bytes:
    """Returns the entry's header block, preceded by a pax header if ustar cannot represent it.

    Raises ImageError for values that no header can represent.
    """
    _check(entry)
    path = _bytes(entry.path) + (b"/" if entry.kind == "dir" else b"")
    link = _bytes(entry.link)
    pax: dict[str, bytes] = {f"SCHILY.xattr.{name}": value for name, value in entry.xattrs.items()}
    name, prefix = _split(path)
    if name is None:
        pax["path"] = path
        name, prefix = path[:100], b""
    if len(link) > 100 or not link.isascii():
        pax["linkpath"] = link
        link = link[:100]
    numbers = {"size": (size, _OCTAL_12), "uid": (entry.uid, _OCTAL_8), "gid": (entry.gid, _OCTAL_8)}
    fitting = {}
    for key, (value, limit) in numbers.items():
        if value > limit:
            pax[key] = str(value).encode()
        fitting[key] = min(value, limit)
    block = _block(entry, name, prefix=prefix, link=link, numbers=fitting)
    return (_pax_header(pax) + block) if pax else block


def _check(entry: Entry) -> None:
    """Returns a numeric field; a value that does not fit would shift the following fields."""
    numbers = (entry.uid, entry.gid, *entry.device)
    if not 0 <= entry.mode <= 0o7777 or min(numbers) < 0 or max(entry.device) > _OCTAL_8:
        raise ImageError(f"{entry.path!r} has a mode, owner or device number that no archive can hold")
    if not entry.path or "\0" in entry.path + entry.link or any("=" in name for name in entry.xattrs):
        raise ImageError(f"{entry.path!r} has a name, link or attribute that no archive can hold")


def _bytes(name: str) -> bytes:
    """Returns a name as on Linux: any bytes except NUL, mostly UTF-8 (Python keeps the others as lone surrogates)."""
    return name.encode("utf-8", "surrogateescape")


def _split(path: bytes) -> tuple[bytes | None, bytes]:
    """Returns ustar's name and prefix for a path, or None if it does not fit or is not ASCII."""
    if not path.isascii():
        return None, b""
    if len(path) <= 100:
        return path, b""
    # A folder's final slash is not a place to split: the name would be empty.
    position = path.rfind(b"/", 0, min(156, len(path) - 1))
    if position > 0 and len(path) - position - 1 <= 100:
        return path[position + 1 :], path[:position]
    return None, b""


def _block(entry: Entry, name: bytes, prefix: bytes, link: bytes, numbers: Mapping[str, int]) -> bytes:
    device = entry.kind in ("char", "block")
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % entry.mode,
        b"%07o\0" % numbers["uid"],
        b"%07o\0" % numbers["gid"],
        b"%011o\0" % numbers["size"],
        b"%011o\0" % MTIME,
        b" " * 8,
        _TYPEFLAG[entry.kind],
        link.ljust(100, b"\0"),
        b"ustar\x0000",
        b"\0" * 64,  # user and group names stay empty: images use numbers
        (b"%07o\0%07o\0" % entry.device) if device else b"\0" * 16,
        prefix.ljust(155, b"\0"),
        b"\0" * 12,
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax_header(records: Mapping[str, bytes]) -> bytes:
    body = b"".join(_pax_record(key.encode(), records[key]) for key in sorted(records))
    # The header's own name is independent of the host (Python's tarfile writes a process id in some versions).
    carrier = Entry(path="././@PaxHeader", mode=0)
    numbers = {"size": len(body), "uid": 0, "gid": 0}
    block = _block(carrier, carrier.path.encode(), prefix=b"", link=b"", numbers=numbers)
    block = block[:148] + b" " * 8 + b"x" + block[157:]
    block = block[:148] + b"%06o\0 " % sum(block) + block[156:]
    return block + body + b"\0" * (-len(body) % BLOCK)


def _pax_record(key: bytes, value: bytes) -> bytes:
    """Returns `<length> <key>=<value>\\n`, where the length includes its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
