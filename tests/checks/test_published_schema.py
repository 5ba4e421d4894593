"""The schema of metadata.yaml admits everything that the schema of Airbyte on PyPI admits."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.checks import metadata_schema
from airbyte_ci.checks.mending import Mending
from airbyte_ci.checks.texts import Texts
from airbyte_ci.connectors import find

# The wheel of the published models: only the JSON in it is read, so its own dependencies are not installed.
PACKAGE, VERSION = "airbyte-connector-models", "0.1.12"
SHA256 = "75a3879c0f6e5727b36d489ccee9463c5a042cf6b66a773894063366b43db6e4"
MEMBER = "airbyte_connector_models/metadata/v0/ConnectorMetadataDefinitionV0.json"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The published schema; the test is skipped where no package index has it."""
    folder = tmp_path_factory.mktemp("published")
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [*(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")]
    command += ["--ignore-requires-python", "--require-hashes", "-r", str(pinned), "-d", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no package index gives {PACKAGE} {VERSION}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        document: dict[str, Any] = json.loads(archive.read(MEMBER))
    return document


def test_all_that_is_published_is_admitted(published: dict[str, Any]) -> None:
    """Each key of the published schema is known at its place, each value of an enum too, and no more is required."""
    ours = metadata_schema.schema()
    assert list(differences(ours, published, ours, published, ())) == []


def differences(
    ours: Any, theirs: Any, our_root: Any, their_root: Any, place: tuple[str, ...], depth: int = 0
) -> Iterator[str]:
    """The values at a place that the published schema admits and this one refuses."""
    ours, theirs = resolved(ours, our_root), resolved(theirs, their_root)
    if place[-1:] == ("generated",) or depth > 12:
        return
    for choice in theirs.get("anyOf", theirs.get("oneOf", ())):
        yield from differences(ours, choice, our_root, their_root, place, depth + 1)
    shown = ".".join(place)
    allowed = {*theirs.get("enum", ()), *([theirs["const"]] if "const" in theirs else ())}
    if "enum" in ours and not allowed and theirs.get("type") == "string" and place[-1] != "connectorSubtype":
        yield f"{shown}: any text"
    if allowed and "enum" in ours and allowed - {*ours["enum"]}:
        yield f"{shown}: {allowed - {*ours['enum']}}"
    if (extra := {*ours.get("required", ())} - {*theirs.get("required", ())}) and "properties" in theirs:
        yield f"{shown}: requires {extra}"
    is_open = "properties" in theirs and theirs.get("additionalProperties") is not False
    if is_open and ours.get("additionalProperties") is False:
        yield f"{shown}: other keys"
    for name, value in theirs.get("properties", {}).items():
        known = ours.get("properties", {})
        if name in known:
            yield from differences(known[name], value, our_root, their_root, (*place, name), depth + 1)
        elif ours.get("additionalProperties") is False:
            yield f"{shown}.{name}"
    for value in theirs.get("patternProperties", {}).values():
        mine = ours.get("additionalProperties")
        yield from differences(mine, value, our_root, their_root, (*place, "*"), depth + 1)
    if "items" in theirs and "items" in ours:
        yield from differences(ours["items"], theirs["items"], our_root, their_root, (*place, "[]"), depth + 1)


def resolved(schema: Any, root: Any) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[int(part) if isinstance(target, list) else part]
        schema = target
    return schema


EVERYTHING = """\
metadataSpecVersion: "1.0"
data:
  name: Exchange Rates
  definitionId: 5c1f7c0d-94a7-4d0b-8df3-6a8a6d0c1e55
  connectorType: source
  connectorSubtype: api
  dockerRepository: acme/source-rates
  dockerImageTag: 1.0.0
  license: MIT
  documentationUrl: https://docs.acme.example/rates
  githubIssueLabel: source-rates
  releaseStage: alpha
  supportLevel: community
  releaseDate:
  allowedHosts:
  registryOverrides:
    oss: {enabled: true, public: false}
    cloud: {enabled: false, dockerImageTag: 0.9.0}
  registries:
    oss: {enabled: true}
  externalDocumentationUrls:
    - {title: API, url: "https://api.acme.example", type: api_reference, requiresLogin: true}
  connectorIPCOptions:
    dataChannel: {version: 0.0.1, supportedSerialization: [JSONL, PROTOBUF], supportedTransport: [STDIO, SOCKET]}
  connectorTestSuitesOptions:
    - suite: smokeTests
      scenarios:
        - {name: default, configSettings: {pages: 1}, onlyStreams: [rates], suggestedStreamsOnly: true}
    - suite: liveTests
      testConnections: [{name: rates, id: 4711}]
  releases:
    rolloutConfiguration:
      enableProgressiveRollout: true
      defaultRolloutMode: autopilot
      autopilotConfig: {autoStart: true, autoPromoteStages: false, strategy: slow}
    breakingChanges:
      1.0.0: {message: Keys changed., upgradeDeadline: 2026-01-01, isBreaking: false, safeToDowngrade: true}
    unsafeDowngrades:
      1.0.0: {message: State cannot be read.}
"""


def test_keys_of_today_are_admitted(tmp_path: Path) -> None:
    """Overrides by registry under both names, channels, rollouts and smoke tests; a key without a value is absent."""
    (tmp_path / "metadata.yaml").write_text(EVERYTHING.replace("id: 4711", "id: '4711'"))
    connector = find.read(tmp_path, tmp_path)
    assert metadata_schema.check(connector, Texts(), Mending(tmp_path, tmp_path)).reason == ""
    (tmp_path / "metadata.yaml").write_text(EVERYTHING.replace("  license: MIT", "  license:"))
    connector = find.read(tmp_path, tmp_path)
    assert "license is missing" in metadata_schema.check(connector, Texts(), Mending(tmp_path, tmp_path)).reason
