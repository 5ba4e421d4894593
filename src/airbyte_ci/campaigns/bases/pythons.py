"""The Pythons that a connector admits, from its own files. No code runs."""

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.dockerfile import stages
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.edits import toml_text
from airbyte_ci.errors import EditRefused, LockError
from airbyte_ci.python.packages import constraints


@dataclass(frozen=True, slots=True)
class AdmittedPythons:
    """Alternatives of version specifiers, as text for people, and the declaring file."""

    text: str
    specifiers: tuple[SpecifierSet, ...]
    source: str

    @property
    def is_observed(self) -> bool:
        """Returns whether it is only the Dockerfile's Python, so that another may work too."""
        return self.source == "Dockerfile"

    @property
    def shown(self) -> str:
        """Returns the text for people: `3.9` for the Dockerfile's Python, else as it is declared."""
        return self.text.strip("=.*") if self.is_observed else self.text


def admitted(connector: Connector, bases: Catalog = stages.NO_BASES) -> AdmittedPythons:
    """Reads pyproject.toml, else setup.py, else the Dockerfile's Python; every Python if none is declared.

    `bases` are the known base images, which a Dockerfile may be built on. Raises LockError for an invalid declaration.
    """
    for text, source in _declarations(connector, bases):
        try:
            return AdmittedPythons(text, tuple(constraints.specifiers(text)), source)
        except (InvalidSpecifier, InvalidVersion) as error:
            raise LockError(f"{connector.relative}/{source}: the Python {text!r} cannot be understood") from error
    return AdmittedPythons("any", (), "")


def declared(connector: Connector) -> AdmittedPythons:
    """Returns the same for a connector on a base image, for which a former Dockerfile no longer matters."""
    return admitted(dataclasses.replace(connector, names=connector.names - {"Dockerfile"}))


def _declarations(connector: Connector, bases: Catalog) -> Iterator[tuple[str, str]]:
    if "pyproject.toml" in connector.names:
        text = _project(connector)
        for key in (("project", "requires-python"), ("tool", "poetry", "dependencies", "python")):
            if (value := toml_text.get_string(text, key)) is not None:
                yield value, "pyproject.toml"
    if "setup.py" in connector.names:
        value = _python_requires((connector.folder / "setup.py").read_text("utf-8", errors="replace"))
        if value:
            yield value, "setup.py"
    if connector.has_dockerfile:
        version = stages.read(stages.load(connector.folder / "Dockerfile")).python(bases)
        if version:
            # Without a declaration, only the previous Python is known to work.
            yield f"=={version}.*", "Dockerfile"


def _project(connector: Connector) -> str:
    path = connector.folder / "pyproject.toml"
    try:
        text = path.read_text("utf-8")
        toml_text.get_string(text, ())
    except (EditRefused, UnicodeDecodeError) as error:
        raise LockError(f"{connector.relative}/{path.name} is not valid TOML: {error.__cause__ or error}") from error
    return text


def _python_requires(text: str) -> str | None:
    """Returns the literal `python_requires=` of a setup() call; setup.py does not run."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "python_requires" and isinstance(node.value, ast.Constant):
            return str(node.value.value)
    return None
