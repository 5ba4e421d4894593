"""From a low-code Python package to a manifest: what moves, what goes, what is refused, and what stays."""

import difflib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
import yaml

from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.campaigns.changes import plan as plan_files
from airbyte_ci.campaigns.changes.change import Change, NotApplicable
from airbyte_ci.campaigns.changes.task import RequestedEntry
from airbyte_ci.campaigns.migrations.migrate_to_manifest_only import MIGRATION, ManifestOptions
from airbyte_ci.campaigns.migrations.migration import plan_change
from airbyte_ci.errors import AirbyteCiError
from tests.campaigns.repositories import CONNECTORS, commit, copied, opened, snapshot, task

NAME = "source-declared"
FOLDER = f"{CONNECTORS}/{NAME}"
PACKAGE = "source_declared"
REPOSITORY = "docker.io/airbyte/source-declarative-manifest"
KNOWN = catalog.parse(
    yaml.safe_dump(
        {
            REPOSITORY: [
                {"version": number, "address": f"{REPOSITORY}:{number}@sha256:{digit * 64}", "python": "3.11.2"}
                for number, digit in (("7.39.1", "a"), ("5.0.1", "b"))
            ]
        }
    ),
    "the test's catalog",
)
SOURCE = """\
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

\"\"\"Do not modify.\"\"\"


class SourceDeclared(YamlDeclarativeSource):
    def __init__(self):
        super().__init__(**{"path_to_yaml": "manifest.yaml"})
"""
RUN = """\
import sys

from airbyte_cdk.entrypoint import launch
from source_declared import SourceDeclared


def run():
    launch(SourceDeclared(), sys.argv[1:])
"""
MANIFEST = """\
# A comment above everything.
version: "0.29.0"  # the first one

definitions:
  base: &base
    type: DeclarativeStream
    retriever: {paginator: {type: CustomPaginator, class_name: source_declared.components.Paginator}}
  items:
    $ref: "#/definitions/base"
    name: items
    $parameters:
      path: /items
  others:
    <<: *base
    $parameters: {name: others}
streams:
  - "#/definitions/items"
  - "#/definitions/others"
check: {type: CheckStream, stream_names: [items]}
"""
SPEC = """\
---
# of the specification
documentationUrl: https://docs.example.com
connectionSpecification:
  $schema: http://json-schema.org/draft-07/schema#
  type: object  # kept
  properties:
    start:
      pattern: "^[0-9]{4}$"
      description: |
        Two

        lines
"""
COMPONENTS = "import requests\n\n\nclass Paginator:  # kept\n    pass\n"
METADATA = f"""\
data:
  connectorType: source
  dockerImageTag: 1.2.3
  dockerRepository: acme/{NAME}
  name: Declared
  remoteRegistries:
    pypi:
      enabled: true
      packageName: acme-{NAME}
  tags:
    - language:python
    - cdk:low-code
    - team:a
metadataSpecVersion: "1.0"
"""
FILES = {
    "metadata.yaml": METADATA,
    "README.md": "# Declared\n\n## Local development\n\npoetry install\n\n### Tests\n\nx\n\n## More\n\nkept\n",
    "acceptance-test-config.yml": f"acceptance_tests:\n  spec:\n    tests:\n    - spec_path: {PACKAGE}/spec.yaml\n",
    "integration_tests/configured_catalog.json": "{}\n",
    "icon.svg": "<svg/>\n",
    "main.py": "from source_declared.run import run\n\nif __name__ == '__main__':\n    run()\n",
    "pyproject.toml": '[tool.poetry]\nname = "source-declared"\nversion = "1.2.3"\n',
    "poetry.lock": "",
    "unit_tests/test_it.py": "import source_declared\n",
    f"{PACKAGE}/__init__.py": "from .source import SourceDeclared\n",
    f"{PACKAGE}/source.py": SOURCE,
    f"{PACKAGE}/run.py": RUN,
    f"{PACKAGE}/manifest.yaml": MANIFEST,
    f"{PACKAGE}/spec.yaml": SPEC,
    f"{PACKAGE}/components.py": COMPONENTS,
    f"{PACKAGE}/schemas/items.json": '{"type": "object", "properties": {"on": {"type": ["null", "string"]}}}',
    f"{PACKAGE}/schemas/others.json": '{"type": "object"}',
}


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return copied("fleet", tmp_path / "fleet")


def _write(fleet: Path, changed: Mapping[str, str | None] | None = None) -> None:
    for name, text in {**FILES, **(changed or {})}.items():
        path = fleet / FOLDER / name
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    commit(fleet)


def _planned(fleet: Path, to: str | None = None) -> Change:
    entry = RequestedEntry(12, "", date(2024, 9, 4), is_wanted=False)
    return plan_change(MIGRATION, task(fleet, NAME, entry, known=KNOWN, deletes=MIGRATION.deletes), ManifestOptions(to))


def _after(change: Change) -> dict[str, str]:
    return {
        item.path.removeprefix(f"{FOLDER}/"): item.after.decode()
        for item in change.edit.changes
        if item.after is not None
    }


def test_the_manifest_keeps_its_lines_and_means_the_same(fleet: Path) -> None:
    """Every old line but two stays in its order; the document has the intended edits only."""
    _write(fleet)
    text = _after(_planned(fleet))["manifest.yaml"]
    lost = [line[2:] for line in difflib.ndiff(MANIFEST.split("\n"), text.split("\n")) if line.startswith("- ")]
    assert lost == [
        'version: "0.29.0"  # the first one',
        "    retriever: {paginator: {type: CustomPaginator, class_name: source_declared.components.Paginator}}",
    ]
    expected = yaml.safe_load(MANIFEST.replace("source_declared.", "source_declarative_manifest."))
    specification = yaml.safe_load(SPEC)
    for name in ("items", "others"):
        loader = {"type": "InlineSchemaLoader", "schema": {"$ref": f"#/schemas/{name}"}}
        expected["definitions"][name]["schema_loader"] = loader
    expected |= {
        "version": "4.3.2",
        "type": "DeclarativeSource",
        "schemas": {
            "items": {"type": "object", "properties": {"on": {"type": ["null", "string"]}}},
            "others": {"type": "object"},
        },
        "spec": {
            "type": "Spec",
            "documentation_url": "https://docs.example.com",
            "connection_specification": specification["connectionSpecification"],
        },
    }
    assert yaml.safe_load(text) == expected
    assert "    type: object  # kept" in text


def test_the_package_goes_and_the_rest_stays(fleet: Path) -> None:
    """What is left is the manifest, its components, and the files that speak of neither a package nor a lock."""
    _write(fleet)
    before = snapshot(fleet)
    change = _planned(fleet)
    change.edit.apply(fleet)
    left = {path for path in snapshot(fleet) if path.startswith(FOLDER)}
    names = ("manifest.yaml", "components.py", "metadata.yaml", "README.md", "icon.svg", "acceptance-test-config.yml")
    assert left == {f"{FOLDER}/{name}" for name in (*names, "integration_tests/configured_catalog.json")}
    assert {path: text for path, text in snapshot(fleet).items() if not path.startswith(FOLDER)} == {
        path: text for path, text in before.items() if not path.startswith(FOLDER)
    }
    assert not (fleet / FOLDER / PACKAGE).exists()
    assert (fleet / FOLDER / "components.py").read_text() == COMPONENTS
    _, connectors = opened(fleet)
    assert connectors[NAME].language == "manifest-only"
    with pytest.raises(NotApplicable, match="is manifest-only already"):
        _planned(fleet)


def test_metadata_acceptance_tests_and_readme_follow(fleet: Path) -> None:
    """The base, the tags, the version and the registry of packages; spec_path; the section on development."""
    _write(fleet)
    files = _after(_planned(fleet))
    data = yaml.safe_load(files["metadata.yaml"])["data"]
    assert data["connectorBuildOptions"]["baseImage"] == f"{REPOSITORY}:7.39.1@sha256:{'a' * 64}"
    assert data["tags"] == ["language:manifest-only", "cdk:low-code", "team:a"]
    assert (data["dockerImageTag"], data["remoteRegistries"]["pypi"]["enabled"]) == ("1.2.4", False)
    assert files["acceptance-test-config.yml"].endswith("- spec_path: manifest.yaml\n")
    readme = files["README.md"]
    assert f"airbyte-ci connectors --name={NAME} build" in readme
    assert "poetry" not in readme
    assert readme.endswith("## More\n\nkept\n")


def test_the_old_image_is_kept_for_a_proof(fleet: Path, tmp_path: Path) -> None:
    """The image of the version before is in the change, and in a plan file that is read again."""
    _write(fleet)
    change = _planned(fleet)
    assert change.previous_image == f"acme/{NAME}:1.2.3"
    plan_files.write(tmp_path / "plan", "migrate_to_manifest_only", [change])
    assert plan_files.read(tmp_path / "plan").changes[0].change.previous_image == change.previous_image


READERS = RUN.replace(
    "launch(SourceDeclared(), sys.argv[1:])",
    "config = AirbyteEntrypoint.extract_config(sys.argv[1:])\n"
    "    launch(SourceDeclared(config=SourceDeclared.read_config(config) if config else None), sys.argv[1:])",
)


def test_a_source_that_reads_its_arguments_qualifies(fleet: Path) -> None:
    """Loading the configuration, the catalog and the state by the framework's methods is no code of the connector."""
    _write(fleet, {f"{PACKAGE}/run.py": READERS})
    assert "manifest.yaml" in _after(_planned(fleet))


def test_a_proof_knows_what_the_migration_replaces(fleet: Path) -> None:
    """The package and the manifest are intended; packages that custom classes may import are not to change."""
    _write(fleet, {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["airbyte-cdk", "Pen_Dulum>=2"]\n'})
    intended = _planned(fleet).intended
    assert intended is not None
    assert intended.code >= {"main.py", f"{PACKAGE}/run.py", "source_declarative_manifest/manifest.yaml"}
    assert intended.required == {"pen-dulum"}


def test_custom_classes_of_several_modules_are_joined(fleet: Path) -> None:
    """Modules come in the order in which they import each other, without these imports; the result runs."""
    _write(
        fleet,
        {
            f"{PACKAGE}/components.py": "from __future__ import annotations\n\nimport json\n"
            "from .tools import help_me\n\n\nclass Paginator:\n    value = help_me()\n",
            f"{PACKAGE}/tools.py": "import json\n\n\ndef help_me():\n    return json.dumps(1)\n",
            f"{PACKAGE}/unused.py": "x = 1\n",
        },
    )
    change = _planned(fleet)
    text = _after(change)["components.py"]
    namespace: dict[str, object] = {}
    exec(compile(text, "components.py", "exec"), namespace)
    assert vars(namespace["Paginator"])["value"] == "1"
    assert any("unused.py" in note and "removed" in note for note in change.notes)


def test_a_specification_in_json(fleet: Path) -> None:
    """A spec.json becomes the same mapping in YAML."""
    text = '{\n\t"documentationUrl": "u",\n\t"connectionSpecification": {"on": "yes", "n": 1e3, "s": "\\u00e9\\/"}\n}\n'
    _write(fleet, {f"{PACKAGE}/spec.json": text})
    (fleet / FOLDER / PACKAGE / "spec.yaml").unlink()
    commit(fleet)
    spec = yaml.safe_load(_after(_planned(fleet))["manifest.yaml"])["spec"]
    assert spec["connection_specification"] == {"on": "yes", "n": 1000.0, "s": "é/"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"source.py": SOURCE + "\n    def streams(self, config):\n        return []\n"},
            r"source.py:10 defines streams",
        ),
        ({"source.py": SOURCE.replace("(YamlDeclarativeSource)", "(AbstractSource)")}, "no class that is a plain Yaml"),
        ({"source.py": SOURCE.replace("manifest.yaml", "other.yaml")}, "source.py:8 starts other.yaml"),
        ({"source.py": SOURCE + "        self.x = 1\n"}, "source.py:9 runs self.x = 1"),
        (
            {"run.py": RUN.replace("    launch", "    Migrate.migrate(sys.argv)\n    launch")},
            r"run.py:8 calls Migrate.mi",
        ),
        ({"run.py": READERS.replace("SourceDeclared.read", "Other.read")}, "run.py:9 calls Other.read_config"),
        ({"../main.py": "print('hello')\n"}, r"main.py:1 calls print"),
        ({"data.csv": "1,2\n"}, "its package has data.csv"),
        ({"spec.json": "{}"}, "two specifications: spec.json and spec.yaml"),
        ({"manifest.yaml": f"{MANIFEST}spec: {{type: Spec}}\n"}, "both hold the specification"),
        ({"manifest.yaml": MANIFEST.replace("0.29.0", "0.1.0")}, "of version 0.1.0, and frameworks from 0.29.0 on"),
        ({"spec.yaml": f"{SPEC}supportsIncremental: true\n"}, "has supportsIncremental, which a manifest cannot say"),
        ({"manifest.yaml": MANIFEST.replace("Paginator}", "Missing}")}, "names source_declared.components.Missing"),
        (
            {"components.py": "import source_declared.tools\nclass Paginator: pass\n"},
            "components.py:1 imports the pack",
        ),
        ({"components.py": "class Paginator:\n    x = __file__\n"}, "components.py:2 uses __file__"),
        ({"components.py": f"class Paginator:\n    x = '{PACKAGE}/y'\n"}, "components.py:2 has the package's name"),
        (
            {"components.py": "from .tools import x\nimport y\nclass Paginator: pass\n", "tools.py": "x = 1\ny = 2\n"},
            "tools.py and components.py both define y",
        ),
        (
            {
                "components.py": "from .tools import x\nclass Paginator: pass\n",
                "tools.py": "from .components import y\n",
            },
            "import each other",
        ),
        ({"schemas/items.json": '{"$ref": "others.json"}'}, r"schemas/items.json refers to other schemas"),
        (
            {"../Dockerfile": "FROM python:3.9-slim\nRUN apt-get update && apt-get install -y jq\n"},
            "its Dockerfile does",
        ),
    ],
)
def test_what_does_not_qualify_is_named(fleet: Path, changed: dict[str, str], reason: str) -> None:
    """A connector whose Python, files or Dockerfile do more than start a manifest is left alone, with the place."""
    _write(fleet, {f"{PACKAGE}/{name}": text for name, text in changed.items()})
    with pytest.raises(NotApplicable, match=f"^{NAME} cannot be a manifest: .*{reason}"):
        _planned(fleet)


def test_a_manifest_newer_than_the_base_is_refused(fleet: Path) -> None:
    """The framework refuses a manifest that was written for a later one; a later base is accepted."""
    _write(fleet, {f"{PACKAGE}/manifest.yaml": MANIFEST.replace("0.29.0", "6.1.0")})
    with pytest.raises(AirbyteCiError, match=r"its version 6\.1\.0 is newer than source-declarative-manifest 5\.0\.1"):
        _planned(fleet, "5.0.1")
    assert yaml.safe_load(_after(_planned(fleet))["manifest.yaml"])["version"] == "6.1.0"


def test_a_file_that_is_not_in_git_is_not_lost(fleet: Path) -> None:
    """A module that was never committed is refused with its name."""
    _write(fleet)
    (fleet / FOLDER / PACKAGE / "schemas/items.json").write_text('{"type": "object"}')
    with pytest.raises(AirbyteCiError, match=f"{PACKAGE}/schemas/items.json is modified in git and would be lost"):
        _planned(fleet)


def test_tests_of_a_project_of_their_own_stay(fleet: Path) -> None:
    """unit_tests/ with a pyproject.toml does not belong to the package."""
    _write(fleet, {"unit_tests/pyproject.toml": "[project]\nname = 'tests'\n"})
    assert not any("unit_tests" in item.path for item in _planned(fleet).edit.changes)


def test_another_language_is_left_alone(fleet: Path) -> None:
    """A Python connector without a manifest is not a low-code connector."""
    entry = RequestedEntry(12, "", date(2024, 9, 4), is_wanted=False)
    with pytest.raises(NotApplicable, match="is not a low-code connector"):
        plan_change(MIGRATION, task(fleet, "source-parcels", entry, known=KNOWN), ManifestOptions(None))
