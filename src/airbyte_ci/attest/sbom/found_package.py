"""The packages that the files of one layer describe, and all other evidence about packages in one layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Ecosystems, by the types of package URLs (https://github.com/package-url/purl-spec, PURL-TYPES).
PYPI, DEB, APK, RPM, MAVEN, GENERIC = "pypi", "deb", "apk", "rpm", "maven", "generic"
# The package managers of systems.
SYSTEMS = (DEB, APK, RPM)


@dataclass(frozen=True, slots=True)
class LicenseText:
    """The license in a package's metadata: an SPDX expression, or other texts if it has none."""

    expression: str = ""
    names: tuple[str, ...] = ()


NO_LICENSE = LicenseText()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPackage:
    """A package, and the file of the image that describes it.

    `group` is Maven's, `source` and `source_version` are those of the system package from which it was built,
    `requires` are the requirements of a Python distribution, and `sha256` (hex) is that of a jar. `is_bundled` marks
    copies inside another package, which that package's project updates.
    """

    ecosystem: str
    name: str
    version: str
    path: str
    group: str = ""
    architecture: str = ""
    source: str = ""
    source_version: str = ""
    license: LicenseText = NO_LICENSE
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    sha256: str = ""
    is_bundled: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """Returns what makes it the same package at the same place."""
        return (self.ecosystem, self.group, self.name, self.version, self.architecture, self.sha256, self.path)

    def to_json(self) -> dict[str, Any]:
        """Returns the fields that are not empty: an image has hundreds of packages."""
        return {key: value for key, value in asdict(self).items() if value and value != _EMPTY_LICENSE}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FoundPackage":
        fields = dict(document)
        for name in ("requires", "extras"):
            if name in fields:
                fields[name] = tuple(fields[name])
        if "license" in fields:
            fields["license"] = LicenseText(fields["license"]["expression"], tuple(fields["license"]["names"]))
        return cls(**{"version": "", **fields})


_EMPTY_LICENSE = asdict(NO_LICENSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEvidence:
    """The evidence that one layer adds, by the path of the file, and the paths that it removes from lower layers.

    `systems` are the fields of os-release files, `licenses` those of Debian's copyright files, and `unread` are the
    files that describe packages in a form that is not read. `gone` are removed paths, `opaque` folders whose lower
    content is hidden.
    """

    packages: Mapping[str, tuple[FoundPackage, ...]] = field(default_factory=dict)
    systems: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    licenses: Mapping[str, LicenseText] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "packages": {path: [item.to_json() for item in found] for path, found in self.packages.items()},
            "systems": {path: dict(fields) for path, fields in self.systems.items()},
            "licenses": {path: [item.expression, *item.names] for path, item in self.licenses.items()},
            "unread": list(self.unread),
            "gone": list(self.gone),
            "opaque": list(self.opaque),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LayerEvidence":
        return cls(
            packages={path: tuple(map(FoundPackage.from_json, found)) for path, found in document["packages"].items()},
            systems=document["systems"],
            licenses={path: LicenseText(item[0], tuple(item[1:])) for path, item in document["licenses"].items()},
            unread=tuple(document["unread"]),
            gone=tuple(document["gone"]),
            opaque=tuple(document["opaque"]),
        )
