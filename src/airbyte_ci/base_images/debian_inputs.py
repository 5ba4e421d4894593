"""What a Debian root was made of: packages by their bytes, and the text of sources.list. Values only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airbyte_ci.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Deb:
    """A Debian package's file, known by its bytes; `stanza` is what the archive's index says of it."""

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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DebianInputs:
    """What a bootstrap took from outside: the packages, and the text of sources.list that the root keeps."""

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
