"""The origin of a locked package: converts each format's source to an origin. Handles no selection and no network."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from airbyte_ci.errors import LockError
from airbyte_ci.python.packages.lock import THE_INDEX, FromArchive, FromDirectory, FromGit, FromIndex, Origin

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# The public index has several names; a configured main index replaces it.
_LOGIN = re.compile(r"(https?://)[^/@\s]*@")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
_PUBLIC = frozenset({"https://pypi.org/simple", "https://pypi.python.org/simple"})


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise LockError(f"{without_logins(url)[:80]!r} is not a URL") from error


def public(url: str) -> str:
    """Returns the URL without credentials, for locks, plans and messages. The `git@` of ssh is not a credential."""
    parts = _split(url)
    if "@" not in parts.netloc:
        return url
    login, _, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if "ssh" in parts.scheme and user else host))


def without_logins(text: str) -> str:
    """Returns any text without the credentials of its URLs."""
    return _LOGIN.sub(r"\1", text)


def index(url: str) -> FromIndex:
    """Returns the index with this simple API; the public one is the main one."""
    plain = public(url).rstrip("/")
    return THE_INDEX if plain in _PUBLIC else FromIndex(plain)


def git(url: str, commit: str, what: str, *, subdirectory: str = "", requested: str = "") -> FromGit:
    """Raises LockError for a commit that can move."""
    if not _COMMIT.fullmatch(commit):
        raise LockError(f"{what} comes from git at {commit or 'no commit'!r}, which is not a full commit id")
    return FromGit(public(url.removeprefix("git+")), commit, subdirectory, requested)


def archive(place: str, subdirectory: str = "") -> FromArchive:
    """Returns the wheel or sdist at a URL or a path; a file: URL becomes its path."""
    parts = _split(place)
    if parts.scheme == "file":
        return FromArchive(unquote(parts.path), subdirectory)
    return FromArchive(public(urlunsplit(parts._replace(fragment=""))) if parts.netloc else place, subdirectory)


def file_name(place: str) -> str:
    """Returns the file's name at the end of a URL or a path."""
    return PurePosixPath(unquote(_split(place).path)).name


def of_poetry(source: Mapping[str, Any], what: str, *, develop: bool) -> Origin:
    """Parses `[package.source]` of poetry.lock; raises LockError."""
    url, subdirectory = str(source.get("url") or ""), str(source.get("subdirectory") or "")
    match source.get("type"):
        case None | "pypi":
            return THE_INDEX
        case "legacy":
            return replace(index(url), name=str(source.get("reference") or ""))
        case "directory":
            return FromDirectory(url, develop, subdirectory)
        case "file" | "url":
            return archive(url, subdirectory)
        case "git":
            commit, requested = str(source.get("resolved_reference") or ""), str(source.get("reference") or "")
            return git(url, commit, what, subdirectory=subdirectory, requested=requested)
    raise LockError(f"{what} comes from {source['type']!r}, which is not a supported source")


def of_uv(source: Mapping[str, Any], what: str) -> Origin:
    """Parses `source = {…}` of uv.lock; raises LockError."""
    subdirectory = str(source.get("subdirectory") or "")
    for kind, value in source.items():
        match kind:
            case "registry":
                return index(str(value))
            case "editable" | "directory":
                return FromDirectory(str(value), kind == "editable")
            case "url" | "path":
                return archive(str(value), subdirectory)
            case "git":
                return _uv_git(str(value), what)
    raise LockError(f"{what} comes from {', '.join(source) or 'nowhere'}, which is not a supported source")


def _uv_git(value: str, what: str) -> FromGit:
    """Parses `https://host/repository?rev=main&subdirectory=lib#commit`."""
    parts = _split(value)
    query = parse_qs(parts.query)
    requested = next((query[key][0] for key in ("rev", "tag", "branch") if key in query), "")
    url = urlunsplit(parts._replace(query="", fragment=""))
    subdirectory = query.get("subdirectory", [""])[0]
    return git(url, parts.fragment, what, subdirectory=subdirectory, requested=requested)


def of_place(place: str, what: str, *, editable: bool) -> Origin:
    """Parses `name @ place` of a requirement, or its `./path`; raises LockError."""
    is_git = place.startswith("git+")
    parts = _split(place.removeprefix("git+"))
    details = parse_qs(parts.fragment)
    subdirectory = details.get("subdirectory", [""])[0]
    if is_git:
        path, at, commit = parts.path.rpartition("@")
        url = urlunsplit(parts._replace(path=path if at else commit, fragment="", query=""))
        return git(url, commit if at else "", what, subdirectory=subdirectory)
    if "+" in parts.scheme:
        raise LockError(f"{what} comes from {parts.scheme}, but git is the only supported version control system")
    if parts.path.endswith(_ARCHIVES):
        return archive(place, subdirectory)
    if parts.scheme in ("", "file"):
        return FromDirectory(unquote(parts.path), editable, subdirectory)
    raise LockError(f"{what} comes from {public(place)}, which is neither a wheel nor an sdist")


def hashes_of(place: str) -> frozenset[str]:
    """Returns the sha256 in a URL's fragment: `#sha256=…`."""
    return frozenset(parse_qs(_split(place).fragment).get("sha256", ()))


def name_and_version(file: str, what: str) -> tuple[str, str]:
    """Parses a wheel's or an sdist's file name; raises LockError."""
    from packaging import utils  # slow to import, and builds with nothing changed read no lock
    from packaging.version import InvalidVersion

    try:
        if file.endswith(".whl"):
            name, version, *_ = utils.parse_wheel_filename(file)
        else:
            name, version = utils.parse_sdist_filename(file)
    except (utils.InvalidWheelFilename, utils.InvalidSdistFilename, InvalidVersion) as error:
        raise LockError(f"{what}: {file} is neither a wheel nor an sdist") from error
    return name, str(version)


def is_locked_git(place: str) -> bool:
    """Returns whether `git+…@revision` names a full commit id."""
    return bool(_COMMIT.fullmatch(_split(place).path.rpartition("@")[2]))
