"""requirements.txt in pip's format: text → what it asks for, and from which indexes. No network; knows no versions.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from airbyte_ci.errors import LockError
from airbyte_ci.python import origins

_HASH = re.compile(r"\s--hash[= ](?P<algorithm>[a-z0-9]+):(?P<value>[0-9a-f]+)(?=\s|$)")
_OPTION = re.compile(r"(?P<option>-[a-zA-Z]|--[a-z-]+)(?:[ =]\s*(?P<value>.*))?")
_LONG = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}
# What says nothing about which packages are meant. No host is trusted here beyond its certificate.
_NEUTRAL = frozenset({"--require-hashes", "--prefer-binary", "--disable-pip-version-check", "--trusted-host"})
_WHY = {
    "--no-binary": ": airbyte-ci always prefers wheels",
    "--no-index": ": airbyte-ci asks indexes only for locked files",
}
# How pip spells a variable.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
_NESTED = 20

NO_VARIABLES: Mapping[str, str] = {}
Reader = Callable[[str], str]
"""The text of another file by its path relative to this one's folder; raises LockError."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is asked for; `hashes` are sha256 (hex) of the files that may be used for it.

    `place` is the URL or the path that it must come from, empty for an index. A path may stand without a name.
    """

    name: str
    specifier: SpecifierSet
    extras: frozenset[str] = frozenset()
    marker: Marker | None = None
    hashes: frozenset[str] = frozenset()
    place: str = ""
    editable: bool = False

    @property
    def version(self) -> str | None:
        """The one version to which it is pinned."""
        versions = [item.version for item in self.specifier if item.operator in ("==", "===")]
        return versions[0] if len(versions) == 1 and not versions[0].endswith(".*") else None


@dataclass(slots=True)
class Document:
    """A requirements file with those that it includes.

    `find_links` are URLs of pages and folders, relative to the first file's folder or absolute; `only_binary` are names
    of packages that must not come as an sdist, or `:all:`.
    """

    entries: list[Entry] = field(default_factory=list)
    constraints: list[Entry] = field(default_factory=list)
    index_url: str = field(default="", repr=False)
    extra_index_urls: list[str] = field(default_factory=list, repr=False)
    find_links: list[str] = field(default_factory=list, repr=False)
    only_binary: set[str] = field(default_factory=set)

    def wants_wheel(self, name: str) -> bool:
        """Whether a package must not come as an sdist."""
        return not self.only_binary.isdisjoint((name, ":all:"))


def parse(text: str, what: str, read: Reader | None = None, variables: Mapping[str, str] = NO_VARIABLES) -> Document:
    """Everything that the file says; raises LockError, naming the line, for what is not understood.

    `variables` are those that it may name as `${NAME}` in an index' URL, as people do with logins.
    """
    if "<<<<<<<" in text and re.search(r"^<{7} ", text, re.MULTILINE):
        raise LockError(
            f"{what} holds merge conflict markers", advice="resolve the conflict, then create the file again"
        )
    document = Document()
    _Parser(document, variables).add(text, what, read, document.entries)
    return document


@dataclass(frozen=True, slots=True)
class _Parser:
    """Reads files into one document."""

    document: Document
    variables: Mapping[str, str]

    def add(
        self, text: str, what: str, read: Reader | None, target: list[Entry], folder: str = "", depth: int = 0
    ) -> None:
        """One file, with those that it includes; `folder` is where it is."""
        if depth > _NESTED:
            raise LockError(f"{what} includes itself")
        for line in _lines(text):
            if not line.startswith("-"):
                target.append(_entry(line, what))
                continue
            found = _OPTION.fullmatch(line)
            option = _LONG.get(found["option"], found["option"]) if found else line
            value = ((found["value"] if found else "") or "").strip()
            match option:
                case "--requirement" | "--constraint" if read:
                    other = target if option == "--requirement" else self.document.constraints
                    below = posixpath.dirname(value)
                    place = posixpath.join(posixpath.dirname(what), value)
                    inner = posixpath.join(folder, below)
                    self.add(read(value), place, _below(read, below), other, inner, depth + 1)
                case "--editable":
                    target.append(_entry(value, what, editable=True))
                case "--index-url":
                    self.document.index_url = self._url(value, what)
                case "--extra-index-url":
                    self.document.extra_index_urls.append(self._url(value, what))
                case "--find-links" if value:
                    place = self._url(value, what)
                    is_full = "://" in place or place.startswith("file:")
                    self.document.find_links.append(
                        place if is_full else posixpath.normpath(posixpath.join(folder, place))
                    )
                case "--only-binary" if value:
                    for name in value.split(","):
                        if name.strip() == ":none:":
                            self.document.only_binary.clear()
                        else:
                            self.document.only_binary.add(name if name == ":all:" else canonicalize_name(name.strip()))
                case _ if option not in _NEUTRAL:
                    raise LockError(f"{what}: {_shown(line)} is not supported{_WHY.get(option, '')}")

    def _url(self, value: str, what: str) -> str:
        """With the values of variables; what is not set would be asked for by its name."""
        for found in _VARIABLE.finditer(value):
            if not self.variables.get(found["name"]):
                raise LockError(
                    f"{what} uses the variable {found['name']} in an index URL, but it is not set",
                    advice=f"export {found['name']}, or name the index without a login and put that into ~/.netrc",
                )
        return _VARIABLE.sub(lambda found: self.variables[found["name"]], value)


def _below(read: Reader, folder: str) -> Reader:
    return lambda path: read(posixpath.join(folder, path))


def _lines(text: str) -> Iterator[str]:
    """Logical lines without comments and without blanks around them; pip, too, ends lines where `splitlines` does."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        stripped = re.sub(r"(^|\s)#.*$", "", line).strip()
        if stripped:
            yield stripped


def _shown(line: str) -> str:
    return repr(origins.without_logins(line)[:60])


def _entry(line: str, what: str, *, editable: bool = False) -> Entry:
    text = f"{line} "
    others = [found["algorithm"] for found in _HASH.finditer(text) if found["algorithm"] != "sha256"]
    hashes = frozenset(found["value"] for found in _HASH.finditer(text))
    if others or any(len(value) != 64 for value in hashes):
        raise LockError(f"{what}: {_shown(line)} has a hash that is not a sha256, which is the only accepted hash")
    bare = _HASH.sub("", text).strip()
    if _is_place(bare):
        return _placed(bare, hashes, editable, what)
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise LockError(f"{what}: {_shown(line)} is not a valid requirement") from error
    return Entry(
        canonicalize_name(requirement.name),
        requirement.specifier,
        frozenset(map(canonicalize_name, requirement.extras)),
        requirement.marker,
        hashes,
        requirement.url or "",
        editable,
    )


def _is_place(text: str) -> bool:
    """A path or a URL without a name in front: `.`, `./lib[extra]`, `../lib`, `/lib`, `lib.whl`, `git+https://…`."""
    word = re.split(r"[\s;]", text, maxsplit=1)[0]
    named = re.match(r"[A-Za-z0-9._-]+\s*+(?:\[[^]]*\]\s*+)?@", text)
    return not named and ("/" in word or word.startswith(".") or word.endswith((".whl", ".tar.gz", ".zip")))


def _placed(text: str, hashes: frozenset[str], editable: bool, what: str) -> Entry:
    place, _, condition = text.partition(" ;") if " ;" in text else text.partition(";")
    try:
        marker = Marker(condition.strip()) if condition.strip() else None
        (place,) = shlex.split(place)
    except (InvalidMarker, ValueError) as error:
        raise LockError(f"{what}: {_shown(text)} is not a valid requirement") from error
    extras: frozenset[str] = frozenset()
    before, bracket, listed = place.removesuffix("]").rpartition("[")
    if bracket and place.endswith("]") and before and not before.endswith("/") and "]" not in listed:
        place, extras = before, frozenset(map(canonicalize_name, re.findall(r"[\w.-]+", listed)))
    egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", place)
    return Entry(canonicalize_name(egg[1]) if egg else "", SpecifierSet(), extras, marker, hashes, place, editable)
