"""`migrate_to_manifest_only --prove`: a package that starts a manifest, against the manifest on the framework's image.

The framework is a small one: both images start the same class, which answers from the manifest alone.
"""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry, directory
from tests.e2e.command import GIT, Result
from tests.e2e.tiny import NAME, Tiny, derived

pytestmark = pytest.mark.slow
CODE = "airbyte/integration_code"
SITE = "usr/local/lib/python3.11/site-packages"
SERIES = "localhost/acme/source-declarative-manifest"
# Reads `key: JSON` lines, and answers as they say.
FRAMEWORK = {
    "airbyte_cdk/__init__.py": "",
    "airbyte_cdk/sources/__init__.py": "",
    "airbyte_cdk/sources/declarative/__init__.py": "",
    "airbyte_cdk/sources/declarative/yaml_declarative_source.py": """\
import inspect, json, pathlib

class YamlDeclarativeSource:
    def __init__(self, path_to_yaml):
        lines = (pathlib.Path(inspect.getfile(type(self))).parent / path_to_yaml).read_text().splitlines()
        self.manifest = {key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines)
                         if value.startswith(("{", "["))}
""",
    "airbyte_cdk/entrypoint.py": """\
import json

def launch(source, arguments):
    def send(kind, name, value):
        print(json.dumps({"type": kind, name: value}))
    streams = source.manifest["streams"]
    if arguments[0] == "spec":
        send("SPEC", "spec", {"connectionSpecification": source.manifest["spec"]["connection_specification"]})
    elif arguments[0] == "check":
        send("CONNECTION_STATUS", "connectionStatus", {"status": "SUCCEEDED"})
    elif arguments[0] == "discover":
        schema = {"json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
        send("CATALOG", "catalog", {"streams": [{"name": item["name"], **schema} for item in streams]})
    else:
        for item in streams:
            send("RECORD", "record", {"stream": item["name"], "data": {"id": 1}, "emitted_at": 1})
""",
}
SOURCE = """\
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource


class SourceTiny(YamlDeclarativeSource):
    def __init__(self):
        super().__init__(path_to_yaml="manifest.yaml")
"""
RUN = """\
import sys

from airbyte_cdk.entrypoint import launch
from {package}.source import SourceTiny


def run():
    launch(SourceTiny(), sys.argv[1:])
"""
MANIFEST: dict[str, Any] = {
    "check": {"type": "CheckStream", "stream_names": ["items"]},
    "streams": [{"name": name, "type": "DeclarativeStream"} for name in ("items", "others")],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {"key": {"type": "string"}}}},
}
MAIN = "from {package}.run import run\n\nrun()\n"


@pytest.fixture
def low_code(tiny: Tiny, store: Store) -> Tiny:
    """A low-code connector with its package, and two images of its framework; the newer one ignores the last stream."""
    folder = tiny.connector()
    cdk = tiny.wheel("airbyte_cdk", "7.0.0", FRAMEWORK)
    tiny.require(cdk, tiny.small())
    package = folder / "source_tiny"
    for path, text in (
        (folder / "main.py", MAIN.format(package="source_tiny")),
        (package / "run.py", RUN.format(package="source_tiny")),
        (package / "source.py", SOURCE),
    ):
        path.write_text(text)
    _declare(tiny, MANIFEST)
    _require(tiny, "airbyte-cdk")
    metadata = folder / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("[language:python]", "[language:python, cdk:low-code]"))
    releases = {"8.0.0": ('source.manifest["streams"]', 'source.manifest["streams"][:1]'), "7.0.0": ("", "")}
    versions = [_framework(tiny, store, version, *change) for version, change in releases.items()]
    (tiny.folder / "base-images.yaml").write_text(yaml.safe_dump({SERIES: versions}))
    with (tiny.folder / ".airbyte-ci.toml").open("a") as file:
        file.write(f'base-image-repositories = ["{SERIES}"]\n')
    return tiny


def _framework(tiny: Tiny, store: Store, version: str, before: str, after: str) -> dict[str, str]:
    """A release of the framework's image, whose code differs in one place; its entry in a catalog."""
    info = f"Metadata-Version: 2.1\nName: airbyte-cdk\nVersion: {version}\n"
    files = {f"{SITE}/{name}": text.replace(before, after) for name, text in FRAMEWORK.items()} | {
        f"{SITE}/airbyte_cdk-{version}.dist-info/METADATA": info,
        f"{CODE}/main.py": MAIN.format(package="source_declarative_manifest"),
        f"{CODE}/source_declarative_manifest/run.py": RUN.format(package="source_declarative_manifest"),
        f"{CODE}/source_declarative_manifest/source.py": SOURCE,
    }
    settings = {
        "Entrypoint": ["python", f"/{CODE}/main.py"],
        "WorkingDir": f"/{CODE}",
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"AIRBYTE_ENTRYPOINT=python /{CODE}/main.py"],
    }
    entries = [Entry(path=path, content=text.encode()) for path, text in files.items()]
    address = derived(store, tiny.base, directory(CODE), *entries, tag=version, execution=settings)
    address = f"{SERIES}:{version}@{address.partition('@')[2]}"
    return {"version": version, "address": address, "python": "3.11", "user": "airbyte"}


def _declare(tiny: Tiny, manifest: Mapping[str, Any]) -> None:
    lines = ["version: 5.0.0", "type: DeclarativeSource", *(f"{key}: {json.dumps(manifest[key])}" for key in manifest)]
    (tiny.connector() / "source_tiny" / "manifest.yaml").write_text("\n".join(lines) + "\n")


def _require(tiny: Tiny, *names: str) -> None:
    project = f'[project]\nname = "{NAME}"\nversion = "1.0.0"\ndependencies = {json.dumps(names)}\n'
    (tiny.connector() / "pyproject.toml").write_text(project)


def _prove(tiny: Tiny, *options: str) -> Result:
    for arguments in (("add", "-A"), ("commit", "-qm", "work")):
        subprocess.run([*GIT, *arguments], cwd=tiny.folder, check=True)
    secrets = tiny.connector() / "secrets"
    secrets.mkdir()
    (secrets / "config.json").write_text('{"key": "k-1"}')
    migrate = ("connectors", f"--name={NAME}", "migrate_to_manifest_only", "--no-changelog", "--prove")
    return tiny.run(*migrate, *options)


def test_a_migration_to_a_manifest_is_proven(low_code: Tiny) -> None:
    """The package, its packages and its main file go on purpose; what both images answer is the same."""
    proven = _prove(low_code, "--to=7.0.0")
    assert proven.code == 0, proven.out + proven.err
    assert "✓ proven: " in proven.out and "compared spec, check, discover, read" in proven.out
    assert (low_code.connector() / "manifest.yaml").is_file()


def test_a_migration_to_a_manifest_names_what_it_loses(low_code: Tiny) -> None:
    """A stream that the newer framework ignores, and a package that a custom class imports, are lost."""
    custom = {"name": "items", "type": "CustomPaginator", "class_name": "source_tiny.components.Paginator"}
    _declare(low_code, {**MANIFEST, "streams": [custom, MANIFEST["streams"][1]]})
    package = low_code.connector() / "source_tiny"
    (package / "components.py").write_text("import tinydep\n\n\nclass Paginator:\n    pass\n")
    _require(low_code, "airbyte-cdk", "tinydep")
    lost = _prove(low_code)
    assert lost.code == 1, lost.out + lost.err
    rows = [line.strip() for line in lost.out.splitlines() if line.lstrip().startswith(("✗ ", "≠ "))]
    assert rows[1].startswith("✗ 4 lost · ") and "unexplained" not in rows[1]
    assert [row.partition("  ")[0] for row in rows[2:]] == [
        "✗ distribution tinydep",
        "✗ discover others",
        "✗ read others (first read)",
        "✗ read others (read from the state)",
    ]
