"""Parses the packages in the status file of Debian's package manager."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

STATUS = "var/lib/dpkg/status"
# Images without a package manager (distroless) have one file per package in this folder.
STATUS_FOLDER = "var/lib/dpkg/status.d"
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")
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
