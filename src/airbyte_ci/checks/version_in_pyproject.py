"""Checks that pyproject.toml and metadata.yaml have the same version."""

from airbyte_ci.checks import places
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.rule import OK, Location, Rule, Verdict, failed, inapplicable
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors.connector import Connector

RULE = Rule(
    id="version-in-pyproject",
    point=3,
    label="patch bump",
    title="The version in pyproject.toml equals dockerImageTag.",
    why="Otherwise the package in the image reports a different version than the image.",
)
_FILE = "pyproject.toml"


def check(connector: Connector, texts: Texts, mending: Mending) -> Verdict:
    if _FILE not in connector.names:
        return inapplicable(f"no {_FILE}")
    path = connector.folder / _FILE
    place = places.file(connector, _FILE)
    project = texts.toml(path)
    if project is None:
        return failed(f"{place.path} is not valid TOML", mending.edit(place), place)
    declared = _declared(project)
    if not connector.version:
        return inapplicable("no version")
    if not declared:
        return inapplicable(f"{_FILE} declares no version")
    for kind, version in declared.items():
        if version != connector.version:
            line = places.line_with(texts.text(path) or "", "version")
            command = "poetry version" if kind == "poetry" else "uv version"
            return failed(
                f"the version is {version} in pyproject.toml, but {connector.version} in metadata.yaml",
                f"(cd {mending.path(connector.relative)} && {command} {connector.version})",
                Location(place.path, line),
            )
    return OK


def _declared(project: dict[str, object]) -> dict[str, str]:
    """Returns the versions by tool (poetry or project); `dynamic` versions are not included."""
    tool = project.get("tool")
    tables = {"poetry": tool.get("poetry") if isinstance(tool, dict) else None, "project": project.get("project")}
    versions = {kind: table.get("version") for kind, table in tables.items() if isinstance(table, dict)}
    return {kind: value for kind, value in versions.items() if isinstance(value, str) and value}
