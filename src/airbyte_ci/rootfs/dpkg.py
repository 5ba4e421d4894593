"""Parses the packages in the status file of Debian's package manager."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from airbyte_ci.rootfs.tree import Tree

STATUS = "var/lib/dpkg/status"
# Images without a package manager (distroless) have one file per package in this folder.
STATUS_FOLDER = "var/lib/dpkg/status.d"
# One list of files per package, named `NAME.list` or `NAME:ARCHITECTURE.list`.
INFO_FOLDER = "var/lib/dpkg/info"
LIST = ".list"
_SUMS = ".md5sums"
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")
_CONFFILES = re.compile(r"^Conffiles:[ \t]*\n((?: /[^\n]*+\n?)++)", re.MULTILINE)
_FIELDS = ("Package", "Version", "Architecture", "Status", "Source")


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """An installed package. Advisories name its source package, whose version may differ."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def packages(text: str) -> tuple[DebianPackage, ...]:
    """Returns the installed packages of a status file, sorted by name, without removed packages that left settings."""
    found = (_package(fields) for fields in _stanzas(text))
    return tuple(sorted((item for item in found if item), key=lambda item: (item.name, item.architecture)))


def installed(tree: Tree) -> tuple[DebianPackage, ...]:
    """Returns the installed packages of an image, sorted by name."""
    return packages(_status(tree))


def configuration_files(tree: Tree) -> dict[str, str]:
    """Returns the configuration files of packages, relative to the root, with the MD5 of the packaged content."""
    found: dict[str, str] = {}
    for listed in _CONFFILES.findall(_status(tree)):
        for line in listed.strip("\n").split("\n"):
            path, _, digest = line.strip().removesuffix(" obsolete").rpartition(" ")
            found[path.lstrip("/")] = digest
    return found


def _status(tree: Tree) -> str:
    texts = [tree.read(STATUS) or b""]
    names = [name for name in tree.names(STATUS_FOLDER) if not name.endswith(_SUMS)]
    texts += [tree.read(f"{STATUS_FOLDER}/{name}") or b"" for name in names]
    return b"\n\n".join(texts).decode("utf-8", "replace")


def files(tree: Tree) -> dict[str, str]:
    """Returns the package of each path, relative to the root, including folders that a package lists."""
    found: dict[str, str] = {}
    for name in tree.names(INFO_FOLDER):
        if name.endswith(LIST):
            package = name.removesuffix(LIST).partition(":")[0]
            lines = (tree.read(f"{INFO_FOLDER}/{name}") or b"").decode("utf-8", "surrogateescape").split("\n")
            found |= {line.lstrip("/"): package for line in lines if line.strip("/.")}
    for name in tree.names(STATUS_FOLDER):
        if name.endswith(_SUMS):
            text = (tree.read(f"{STATUS_FOLDER}/{name}") or b"").decode("utf-8", "surrogateescape")
            lines = [line.partition("  ")[2] for line in text.split("\n")]
            found |= {line.lstrip("/"): name.removesuffix(_SUMS) for line in lines if line}
    return found


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    for stanza in re.split(r"\n[ \t\r]*+\n", text):
        fields = {}
        for line in stanza.split("\n"):
            name, colon, value = line.partition(":")
            if colon and name in _FIELDS:
                fields[name] = value.strip()
        if fields:
            yield fields


def _package(fields: dict[str, str]) -> DebianPackage | None:
    name, version = fields.get("Package"), fields.get("Version")
    # Files in status.d have no Status field: their packages are installed.
    if not name or not version or fields.get("Status", "installed").split()[-1] != "installed":
        return None
    source = _SOURCE.fullmatch(fields.get("Source", ""))
    return DebianPackage(
        name,
        version,
        architecture=fields.get("Architecture", ""),
        source=source[1] if source else name,
        source_version=(source[2] if source else None) or version,
    )
