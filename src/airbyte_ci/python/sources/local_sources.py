"""The local files that a lock may name: folders and files of the connector's repository, without secrets.

An image must not contain files that exist only on this machine: others could not build it, and they may not be meant
for publication.
"""

import codecs
import contextlib
import io
import os
import re
from dataclasses import replace
from pathlib import Path

from airbyte_ci.connectors import hidden_files
from airbyte_ci.documents import DocumentError, read_file
from airbyte_ci.errors import LockError
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, Origin
from airbyte_ci.python.sources import git_checkout

_TEXT_LIMIT = 32 << 20
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_ADVICE = "move it into the repository, or lock a version that an index or a git server has"


def check(origin: Origin, folder: Path, what: str) -> None:
    """Raises LockError for a local origin outside the repository that contains `folder`."""
    match origin:
        case FromDirectory(path):
            _check_path(path, folder, what)
        case FromArchive(place) if not origin.is_url:
            _check_path(place, folder, what)
        case FromGit(url):
            if (reason := git_checkout.refusal(url)) and not _is_inside(url, folder):
                raise LockError(f"{what} comes from git {url}: {reason}", advice=_ADVICE)
        case _:
            return


def make_portable(origin: Origin, folder: Path) -> Origin:
    """Returns a local origin relative to `folder`, because plans are published and name no path of a machine."""
    match origin:
        case FromDirectory(path):
            return replace(origin, path=_relative(path, folder))
        case FromArchive(place) if not origin.is_url:
            return replace(origin, place=_relative(place, folder))
    return origin


def _relative(path: str, folder: Path) -> str:
    if not Path(path).is_absolute():
        return path
    real, here = Path(path).resolve(), folder.resolve()
    if not real.is_relative_to(repository(folder)):
        return path
    found = os.path.relpath(real, here)
    return Path(found).as_posix() if (folder / found).exists() and (folder / found).samefile(real) else path


def read_text(path: Path, folder: Path, what: str) -> str:
    """Returns the text of a file that belongs to a connector, or that one of its files includes.

    A requirements file may begin with a byte order mark or a coding line, as in pip; all else is UTF-8. Raises
    LockError for a file outside of the repository, whose lines would show in messages, and for a secret; OSError and
    UnicodeDecodeError as `Path.read_text`.
    """
    root = repository(folder)
    place = path.resolve()
    if not place.is_relative_to(root):
        raise LockError(f"cannot read {what}: it is outside the repository {root}")
    if name := hidden_files.secret_part(place.relative_to(root)):
        raise LockError(f"cannot read {what}: {name} is a secret")
    try:
        # Like `read_text`: every line end becomes a line feed.
        data = read_file(place, _TEXT_LIMIT)
        # TOML is always UTF-8.
        text = data.decode("utf-8") if place.suffix in (".toml", ".lock") else decode(data)
        return io.StringIO(text, newline=None).read()
    except DocumentError as error:
        raise LockError(f"cannot read {what}: {error}") from error


def decode(data: bytes) -> str:
    """Returns a requirements file's text; raises UnicodeDecodeError."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding)
    for line in data.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (found := _CODING.search(line)):
            with contextlib.suppress(LookupError):
                return data.decode(found[1].decode("ascii"))
    return data.decode("utf-8")


def _is_inside(url: str, folder: Path) -> bool:
    path = url.removeprefix("file://")
    return path.startswith("/") and Path(path).resolve().is_relative_to(repository(folder))


def _check_path(path: str, folder: Path, what: str) -> None:
    root = repository(folder)
    place = (folder / path).resolve()
    if not place.is_relative_to(root):
        raise LockError(f"{what} comes from {path}, which is outside the repository {root}", advice=_ADVICE)
    if name := hidden_files.secret_part(place.relative_to(root)):
        raise LockError(f"{what} comes from {path}, but {name} is a secret and must not be in an image")


def repository(folder: Path) -> Path:
    """Returns the top of the git repository that contains a folder; without one, the folder of its configuration."""
    place = folder.resolve()
    tops = (top for top in (place, *place.parents) if (top / ".git").exists())
    marked = (top for top in (place, *place.parents) if (top / ".airbyte-ci.toml").exists())
    return next(tops, None) or next(marked, place)
