"""Reads the database of RPM, as Red Hat, Amazon and SUSE write it since 2020: headers in an SQLite file.

The form of a header is described in rpm's documentation (format_header.html); older databases are not read.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.errors import ImageError

# Newer systems keep it below /usr, and /var/lib/rpm is a link to it.
DATABASES = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite")
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE = 1000, 1001, 1002, 1003, 1022
_LICENSE, _SOURCE = 1014, 1044
_DIRECTORY_INDEXES, _BASENAMES, _DIRECTORIES = 1116, 1117, 1118
_INT32, _STRING, _STRINGS, _TRANSLATED = 4, 6, 8, 9
_ENTRY = struct.Struct(">iiii")
# A header larger than this is damaged; the kernel's has about 4 MB.
_MOST_ENTRIES, _LONGEST = 1 << 16, 256 << 20
# What rpm itself lists as packages, and which are none.
_KEYS = "gpg-pubkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedHatPackage:
    """An installed package; `version` is `[epoch:]version-release`, `files` are relative to the image's root.

    `source` is the file name of its source package, and `license` what the packager wrote.
    """

    name: str
    version: str
    architecture: str
    files: tuple[str, ...]
    source: str = ""
    license: str = ""


def packages(database: Path) -> tuple[RedHatPackage, ...]:
    """Returns the packages of a database file, sorted by name; raises ImageError if it is damaged."""
    try:
        # Immutable: the file is part of a layer, and SQLite must not create others next to it.
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            found = [_package(bytes(blob)) for (blob,) in connection.execute("SELECT blob FROM Packages")]
    except (sqlite3.Error, struct.error, LookupError, TypeError, ValueError) as error:
        raise ImageError(f"cannot read the image's RPM database: it is damaged ({error})") from error
    return tuple(sorted((item for item in found if item.name != _KEYS), key=lambda item: (item.name, item.version)))


def _package(header: bytes) -> RedHatPackage:
    fields = dict(_fields(header))
    name, version, release = (str(fields[tag]) for tag in (_NAME, _VERSION, _RELEASE))
    epoch = fields.get(_EPOCH)
    return RedHatPackage(
        name=name,
        version=f"{f'{epoch[0]}:' if isinstance(epoch, list) and epoch else ''}{version}-{release}",
        architecture=str(fields.get(_ARCHITECTURE, "")),
        files=tuple(_files(fields)),
        source=str(fields.get(_SOURCE, "")),
        license=str(fields.get(_LICENSE, "")),
    )


def _files(fields: dict[int, str | list[int] | list[str]]) -> Iterator[str]:
    indexes, names, folders = (fields.get(tag, []) for tag in (_DIRECTORY_INDEXES, _BASENAMES, _DIRECTORIES))
    for index, name in zip(indexes, names, strict=True):
        if isinstance(index, int):
            yield f"{folders[index]}{name}".lstrip("/")


def _fields(header: bytes) -> Iterator[tuple[int, str | list[int] | list[str]]]:
    """Yields the tags of a header: two lengths, the entries (tag, type, offset, count), and their data."""
    number, length = struct.unpack_from(">ii", header)
    if not 0 <= number <= _MOST_ENTRIES or not 0 <= length <= _LONGEST:
        raise ValueError(f"a header of {number} entries")
    data = header[8 + number * _ENTRY.size :]
    for place in range(number):
        tag, kind, offset, count = _ENTRY.unpack_from(header, 8 + place * _ENTRY.size)
        if kind == _INT32:
            yield tag, list(struct.unpack_from(f">{count}i", data, offset))
        elif kind in (_STRING, _STRINGS, _TRANSLATED):
            texts = [item.decode("utf-8", "replace") for item in data[offset:].split(b"\0", count)[:count]]
            yield tag, texts[0] if kind == _STRING else texts
