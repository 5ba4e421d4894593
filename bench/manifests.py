"""Manifest-only connectors against BuildKit with a template (manifest.Dockerfile): one edit, a fleet, an upgrade.

Nothing runs in an image on either side, so the base image of builds.py serves as the framework's. The connectors are
generated, as many as the public fleet had in September 2024 and of its average size; `MANIFESTS=20` makes it smaller.
"""

import functools
import os
import random
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import builds
from timing import Measure, Result

from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import client_of_user
from airbyte_ci.registry.options import RegistryOptions

COUNT = int(os.environ.get("MANIFESTS", "186"))
UPGRADE_SECONDS = 10.0
_SERIES = "airbyte/source-declarative-manifest"
_VERSIONS = ("7.0.0", "7.1.0")
_STREAMS = 12
_WORDS = ("account", "address", "amount", "city", "country", "created", "currency", "email", "name", "order", "status")
_METADATA = """\
data:
  connectorSubtype: api
  connectorType: source
  connectorBuildOptions:
    baseImage: {base}
  definitionId: 00000000-0000-0000-0001-{number:012d}
  dockerImageTag: 0.1.0
  dockerRepository: airbyte/{name}
  documentationUrl: https://docs.airbyte.com/integrations/sources/declared-{number}
  githubIssueLabel: {name}
  license: MIT
  name: Declared {number}
  releaseStage: alpha
  supportLevel: community
  tags:
    - language:manifest-only
    - cdk:low-code
metadataSpecVersion: "1.0"
"""
_PAGE = """\
# Declared {number}

## Changelog

| Version | Date | Pull Request | Subject |
|---|---|---|---|
| 0.1.0 | 2024-09-01 | [1](https://github.com/airbytehq/airbyte/pull/1) | New |
"""
_CATALOG = """\
{repository}:
- version: {new}
  address: {new_address}
  python: "3.11"
- version: {old}
  address: {old_address}
  python: "3.11"
"""


@dataclass(frozen=True)
class Fleet:
    """A repository of manifest-only connectors on the older of two releases of their base image."""

    root: Path
    bases: tuple[str, ...]

    @property
    def connectors(self) -> list[Path]:
        return sorted((self.root / "airbyte-integrations/connectors").iterdir())


@functools.cache
def fleet() -> Fleet:
    """Generated and committed once; both releases of the base image are in the registry and on both machines."""
    made = builds.bench()
    bases = tuple(_release(made, number) for number in range(len(_VERSIONS)))
    root = made.folder / "manifests"
    pages = root / "docs/integrations/sources"
    pages.mkdir(parents=True)
    for number in range(COUNT):
        folder = root / f"airbyte-integrations/connectors/source-declared-{number}"
        folder.mkdir(parents=True)
        (folder / "manifest.yaml").write_text(_manifest(number))
        (folder / "metadata.yaml").write_text(_METADATA.format(base=bases[0], number=number, name=folder.name))
        (pages / f"declared-{number}.md").write_text(_PAGE.format(number=number))
    old, new = _VERSIONS
    repository = f"{made.host}/{_SERIES}"
    values = {"repository": repository, "new": new, "new_address": bases[1], "old": old, "old_address": bases[0]}
    (root / "base-images.yaml").write_text(_CATALOG.format(**values))
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com")
    for arguments in (("init", "-q", "-b", "master"), ("add", "-A"), ("commit", "-qm", "fleet")):
        subprocess.run([*git, *arguments], cwd=root, check=True)
    return Fleet(root, bases)


def _release(made: builds.Bench, number: int) -> str:
    """A release of the framework's base image, which both sides have; its address."""
    digest = Reference.parse((made.base, made.next_base)[number]).digest
    assert digest
    place = Reference.parse(f"{made.host}/{_SERIES}:{_VERSIONS[number]}")
    with client_of_user(RegistryOptions()) as client:
        address = str(place.with_digest(client.push(Store(made.home), digest, place).digest))
    builds.run_docker(made.docker, "pull", "--quiet", address)
    return address


def _manifest(number: int) -> str:
    """A manifest of some 80 kB that shares no stream with others."""
    chance = random.Random(number)
    lines = ["version: 4.3.0", "type: DeclarativeSource", "streams:"]
    for stream in range(_STREAMS):
        lines += [
            f"- type: DeclarativeStream\n  name: stream_{stream}\n  retriever:\n    type: SimpleRetriever",
            f"    requester: {{type: HttpRequester, url_base: 'https://api-{number}.example.com', path: /{stream}}}",
            "    record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}",
            "  schema_loader:\n    type: InlineSchemaLoader\n    schema:\n      type: object\n      properties:",
        ]
        for field in range(75):
            name = f"{chance.choice(_WORDS)}_{chance.choice(_WORDS)}_{field}"
            lines.append(f"        {name}:\n          type:\n          - string\n          - 'null'")
    return "\n".join(lines) + "\n"


def _build_ours(*names: str, home: Path, prefix: str) -> float:
    """Seconds of build and push of the named connectors, or of all."""
    made = builds.bench()
    selected = [f"--name={name}" for name in names] or ["--all"]
    output = ("--no-verify", "--output", f"registry:{made.host}/{prefix}")
    started = time.perf_counter()
    builds.run_ours(home, fleet().root, "connectors", *selected, "build", *output)
    return time.perf_counter() - started


def _build_peers(folder: Path, base: str) -> float:
    made = builds.bench()
    tag = f"{made.host}/peer/{folder.name}:dev"
    template = str(Path(__file__).with_name("manifest.Dockerfile"))
    arguments = {"BASE": base, "NAME": f"airbyte/{folder.name}", "VERSION": "0.1.0"}
    options = [item for name, value in arguments.items() for item in ("--build-arg", f"{name}={value}")]
    started = time.perf_counter()
    builds.run_docker(made.docker, "build", "--quiet", "--tag", tag, "--file", template, *options, str(folder))
    builds.run_docker(made.docker, "push", "--quiet", tag)
    return time.perf_counter() - started


def one_line_changed() -> Result:
    """Both sides build and push the same connector after each edit."""
    folder = fleet().connectors[0]
    made = builds.bench()

    def change() -> None:
        with (folder / "manifest.yaml").open("a") as file:
            file.write(f"# {time.time_ns()}\n")

    def ours() -> float:
        change()
        return _build_ours(folder.name, home=made.home, prefix="manifests")

    def peers() -> float:
        change()
        return _build_peers(folder, fleet().bases[0])

    return builds.medians(ours, peers)


@functools.cache
def _cold() -> tuple[float, float]:
    made = builds.bench()
    home = builds.with_only_base(made, "manifests-cold")
    # The base is ready on both sides: on ours, in a store and under its name in the registry.
    ours = _build_ours(home=home, prefix="manifests-cold")
    shutil.rmtree(home)
    builds.run_docker(made.docker, "builder", "prune", "--all", "--force")
    sample = builds.peer_sample(fleet().connectors)
    peers = sum(_build_peers(folder, fleet().bases[0]) for folder in sample) / len(sample) * len(fleet().connectors)
    return ours, peers


def all_cold() -> Result:
    return _cold()


def registry_bytes() -> Result:
    """Distinct layers beyond the base that the registry keeps for them."""
    _cold()
    made = builds.bench()
    names = [folder.name for folder in fleet().connectors]
    sample = builds.peer_sample(fleet().connectors)
    ours = builds.kept(f"{made.host}/manifests-cold/airbyte/{name}:dev" for name in names)
    peers = builds.kept(f"{made.host}/peer/{folder.name}:dev" for folder in sample) / len(sample) * len(names)
    return ours / 1e3, peers / 1e3


def upgraded() -> Result:
    """Seconds of the edit of all, and of their build and push on the newer base, against the goal."""
    made, root = builds.bench(), fleet().root
    _build_ours(home=made.home, prefix="manifests")
    started = time.perf_counter()
    builds.run_ours(made.home, root, "connectors", "--all", "upgrade_base_image", "4711")
    edited = time.perf_counter() - started
    text = (fleet().connectors[-1] / "metadata.yaml").read_text()
    assert fleet().bases[1] in text, text
    return edited + _build_ours(home=made.home, prefix="manifests"), UPGRADE_SECONDS


_ALL = f"{COUNT} manifest-only connectors"

MEASURES = (
    Measure("build+push, one line of a manifest changed", 1, one_line_changed, at_least=True),
    Measure(f"build+push of {_ALL}, cold on a ready base {builds.SCALED}", 20, all_cold, at_least=True),
    Measure(f"registry bytes of these beyond the base {builds.SCALED}", 0.05, registry_bytes, unit="kB"),
    Measure(f"upgrade of {_ALL}: edit, build, push ÷ {UPGRADE_SECONDS:.0f} s", 1, upgraded),
)
