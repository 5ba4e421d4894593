"""Parses requirements.txt in pip's format: requirements and indexes. No network, no versions.

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
from airbyte_ci.python.packages import origins

_HASH = re.compile(r"\s--hash[= ](?P<algorithm>[a-z0-9]+):(?P<value>[0-9a-f]+)(?=\s|$)")
_OPTION = re.compile(r"(?P<option>-[a-zA-Z]|--[a-z-]+)(?:[ =]\s*(?P<value>.*))?")
_LONG = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}
# Options that do not affect the selection. No host is trusted without a valid certificate.
_NEUTRAL = frozenset({"--require-hashes", "--prefer-binary", "--disable-pip-version-check", "--trusted-host"})
_WHY = {
    "--no-binary": ": airbyte-ci always prefers wheels",
    "--no-index": ": airbyte-ci asks indexes only for locked files",
}
# pip's syntax of a variable.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
_NESTED = 20

NO_VARIABLES: Mapping[str, str] = {}
Reader = Callable[[str], str]
"""The text of another file by its path relative to this one's folder; raises LockError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementEntry:
    """One requirement; `hashes` are sha256 (hex) of the allowed files.

    `place` is its required URL or path, empty for an index. A path may have no name.
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
        """Returns the one version to which it is pinned."""
        versions = [item.version for item in self.specifier if item.operator in ("==", "===")]
        return versions[0] if len(versions) == 1 and not versions[0].endswith(".*") else None


@dataclass(slots=True, kw_only=True)
class RequirementsFile:
    """A requirements file with its included files.

    `find_links` are URLs of pages and folders, relative to the first file's folder or absolute; `only_binary` are names
    of packages that must not be an sdist, or `:all:`.
    """

    entries: list[RequirementEntry] = field(default_factory=list)
    constraints: list[RequirementEntry] = field(default_factory=list)
    index_url: str = field(default="", repr=False)
    extra_index_urls: list[str] = field(default_factory=list, repr=False)
    find_links: list[str] = field(default_factory=list, repr=False)
    only_binary: set[str] = field(default_factory=set)

    def wants_wheel(self, name: str) -> bool:
        """Returns whether a package must not be an sdist."""
        return not self.only_binary.isdisjoint((name, ":all:"))


def parse(
    text: str, what: str, read: Reader | None = None, variables: Mapping[str, str] = NO_VARIABLES
) -> RequirementsFile:
    """Parses the whole file; raises LockError that names the line for anything unsupported.

    `variables` are those that it may use as `${NAME}` in an index URL, usually for logins.
    """
    if "<<<<<<<" in text and re.search(r"^<{7} ", text, re.MULTILINE):
        raise LockError(
            f"{what} holds merge conflict markers",
            advice="resolve the conflict, then create the file again",
            error_id="lock-damaged",
        )
    document = RequirementsFile()
    _Parser(document, variables).add(text, what, read, document.entries)
    return document


@dataclass(frozen=True, slots=True)
class _Parser:
    """Reads files into one document."""

    document: RequirementsFile
    variables: Mapping[str, str]

    def add(
        self,
        text: str,
        what: str,
        read: Reader | None,
        target: list[RequirementEntry],
        folder: str = "",
        depth: int = 0,
    ) -> None:
        """Reads one file and its included files; `folder` is its folder."""
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
        """Returns the text with the values of variables; an unset one would be sent by its name."""
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
    """Yields logical lines without comments and surrounding blanks; like pip, splits lines with `splitlines`."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        stripped = re.sub(r"(^|\s)#.*$", "", line).strip()
        if stripped:
            yield stripped


def _shown(line: str) -> str:
    return repr(origins.without_logins(line)[:60])


def _entry(line: str, what: str, *, editable: bool = False) -> RequirementEntry:
    text = f"{line} "
    others = [found["algorithm"] for found in _HASH.finditer(text) if found["algorithm"] != "sha256"]
    hashes = frozenset(found["value"] for found in _HASH.finditer(text))
    if others or any(len(value) != 64 for value in hashes):
        raise LockError(f"{what}: {_shown(line)} has a hash that is not a sha256, which is the only accepted hash")
    bare = _HASH.sub("", text).strip()
    if _is_place(bare):
        return _placed(bare, hashes, what, editable=editable)
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise LockError(f"{what}: {_shown(line)} is not a valid requirement") from error
    return RequirementEntry(
        name=canonicalize_name(requirement.name),
        specifier=requirement.specifier,
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        marker=requirement.marker,
        hashes=hashes,
        place=requirement.url or "",
        editable=editable,
    )


def _is_place(text: str) -> bool:
    """Returns whether this is a path or URL without a name: `.`, `./lib[extra]`, `../lib`, `/lib`, `lib.whl`,
    `git+https://…`.
    """
    word = re.split(r"[\s;]", text, maxsplit=1)[0]
    named = re.match(r"[A-Za-z0-9._-]+\s*+(?:\[[^]]*\]\s*+)?@", text)
    return not named and ("/" in word or word.startswith(".") or word.endswith((".whl", ".tar.gz", ".zip")))


def _placed(text: str, hashes: frozenset[str], what: str, *, editable: bool) -> RequirementEntry:
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
    return RequirementEntry(
        name=canonicalize_name(egg[1]) if egg else "",
        specifier=SpecifierSet(),
        extras=extras,
        marker=marker,
        hashes=hashes,
        place=place,
        editable=editable,
    )
