"""The inputs of a Debian root as values: packages by digest, and the text of sources.list."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airbyte_ci.oci.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """A Debian package file, identified by its digest; `stanza` is its entry in the archive's index."""

    package: str
    version: str
    architecture: str
    sha256: str
    size: int
    stanza: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"

    @property
    def digest(self) -> Digest:
        return Digest(self.sha256)

    @property
    def file_name(self) -> str:
        return f"{self.package}_{self.version}_{self.architecture}.deb"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DebianInputs:
    """The inputs of a bootstrap: the packages, and the text of the root's sources.list."""

    suite: str
    packages: tuple[str, ...]
    debs: tuple[Deb, ...]
    sources: str

    def to_json(self) -> dict[str, Any]:
        return {
            "suite": self.suite,
            "packages": list(self.packages),
            "sources": self.sources,
            "debs": [item.to_json() for item in self.debs],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "DebianInputs":
        debs = tuple(Deb(**item) for item in document["debs"])
        return cls(document["suite"], tuple(document["packages"]), debs, document["sources"])
