"""A connector in its repository: its folder, its metadata, and facts that follow from its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_ci.errors import MetadataError
from airbyte_ci.records import dataclass

METADATA = "metadata.yaml"
# The files of a manifest-only connector, and the package in the framework's image that receives them.
MANIFEST = "manifest.yaml"
COMPONENTS = "components.py"
MANIFEST_PACKAGE = "source_declarative_manifest"
# Low-code connectors are Python packages too.
PYTHON_LANGUAGES = ("python", "low-code")
MANIFEST_ONLY = "manifest-only"
# Kotlin connectors are built the same way.
JAVA = "java"
# The languages that airbyte-ci builds: Python packages, manifests on an image of the framework, Gradle distributions.
BUILT_LANGUAGES = (*PYTHON_LANGUAGES, MANIFEST_ONLY, JAVA)
CONNECTOR_TYPES = ("source", "destination")


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector. `folder` is absolute; `relative` is the folder's path in the repository (posix)."""

    name: str
    folder: Path
    relative: str
    data: Mapping[str, Any]
    names: frozenset[str]

    @property
    def place(self) -> str:
        """Returns its folder for messages; a connector may be the repository itself."""
        return "the repository" if self.relative == "." else self.relative

    def path_of(self, name: str) -> str:
        """Returns the path of one of its files in the repository; a connector may be the repository itself."""
        return name if self.relative == "." else f"{self.relative}/{name}"

    @property
    def language(self) -> str | None:
        """Returns the language by the connector's files; the `language:` tags of the fleet are often wrong."""
        if MANIFEST in self.names:
            return MANIFEST_ONLY
        if self.package in self.names and (self.folder / self.package / MANIFEST).is_file():
            return "low-code"
        if self.names & {"setup.py", "pyproject.toml"}:
            return "python"
        if "src" in self.names and any((self.folder / "src/main" / kind).is_dir() for kind in ("java", "kotlin")):
            return JAVA
        return None

    @property
    def is_python(self) -> bool:
        """Returns whether the connector is a Python package; low-code connectors are."""
        return self.language in PYTHON_LANGUAGES

    @property
    def is_built(self) -> bool:
        """Returns whether airbyte-ci builds connectors of this language."""
        return self.language in BUILT_LANGUAGES

    @property
    def package(self) -> str:
        """Returns the name of the Python package: source-faker → source_faker."""
        return self.name.replace("-", "_")

    @property
    def support_level(self) -> str | None:
        value = self.data.get("supportLevel")
        return str(value) if value is not None else None

    @property
    def version(self) -> str:
        """Returns `dockerImageTag`; empty if it is missing."""
        return str(self.data.get("dockerImageTag") or "")

    @property
    def image_repository(self) -> str:
        """Returns `dockerRepository`; raises MetadataError if it is missing."""
        value = self.data.get("dockerRepository")
        if not isinstance(value, str) or not value:
            raise MetadataError(f"{self.relative}/metadata.yaml: data.dockerRepository is missing")
        return value

    @property
    def base_image(self) -> str | None:
        """Returns `connectorBuildOptions.baseImage` as written."""
        options = self.data.get("connectorBuildOptions")
        value = options.get("baseImage") if isinstance(options, dict) else None
        return str(value) if value else None

    @property
    def has_dockerfile(self) -> bool:
        return "Dockerfile" in self.names

    @property
    def kind(self) -> str:
        """Returns `source` or `destination`."""
        value = self.data.get("connectorType")
        return str(value) if value in CONNECTOR_TYPES else self.name.partition("-")[0]

    @property
    def short_name(self) -> str:
        """Returns the name without its type: source-faker → faker."""
        return self.name.removeprefix(f"{self.kind}-")
