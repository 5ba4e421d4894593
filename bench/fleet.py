"""A whole fleet: listing it again, migrating it, and how both grow with its size."""

import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from timing import Measure, Result, medians, peak, seconds

PROJECT = Path(__file__).resolve().parents[1]
DATA = PROJECT.parent / "shared" / "fleet"
FLEET = DATA / "fleet-2023-10.tar.xz"
_GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com")
# What most connectors of that fleet had; their own Dockerfiles are not in the data.
_DOCKERFILE = """\
FROM python:3.9.11-alpine3.15 as base
FROM base as builder
WORKDIR /airbyte/integration_code
RUN apk --no-cache upgrade \\
    && pip install --upgrade pip \\
    && apk --no-cache add tzdata build-base
COPY setup.py ./
RUN pip install --prefix=/install .
FROM base
WORKDIR /airbyte/integration_code
COPY --from=builder /install /usr/local
COPY --from=builder /usr/share/zoneinfo/Etc/UTC /etc/localtime
RUN echo "Etc/UTC" > /etc/timezone
RUN apk --no-cache add bash
COPY main.py ./
COPY {package} ./{package}
ENV AIRBYTE_ENTRYPOINT "python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
LABEL io.airbyte.version={version}
LABEL io.airbyte.name=airbyte/{name}
"""
_METADATA = """\
data:
  allowedHosts:
    hosts:
      - api.example.com
  connectorSubtype: api
  connectorType: source
  definitionId: 00000000-0000-0000-0000-{number:012d}
  dockerImageTag: 0.1.{patch}
  dockerRepository: airbyte/source-generated-{number}
  documentationUrl: https://docs.airbyte.com/integrations/sources/generated-{number}
  githubIssueLabel: source-generated-{number}
  icon: generated.svg
  license: MIT
  name: Generated {number}
  registries:
    cloud:
      enabled: true
    oss:
      enabled: true
  releaseStage: alpha
  supportLevel: community
  tags:
    - language:python
metadataSpecVersion: "1.0"
"""
_PAGE = """\
# Generated {number}

## Changelog

| Version | Date       | Pull Request                                           | Subject |
| :------ | :--------- | :----------------------------------------------------- | :------ |
| 0.1.{patch}   | 2023-01-01 | [1](https://github.com/airbytehq/airbyte/pull/1) | New     |
"""


def real(folder: Path) -> None:
    """The fleet of October 2023 with a Dockerfile where it had one, committed."""
    with tarfile.open(FLEET) as archive:
        archive.extractall(folder, filter="data")
    for line in (DATA / "fleet-2023-10.tsv").read_text().splitlines()[1:]:
        place, language, *files = line.split("\t")
        connector = folder / place
        for name in files[0].split() if files else ():
            target = connector / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.mkdir(exist_ok=True) if name.startswith("src/main") else target.touch()
        if language in ("python", "low-code") and (connector / "Dockerfile").exists():
            _dockerfile(connector, _version(connector))
    _commit(folder)


def generated(folder: Path, count: int) -> None:
    """So many connectors alike, committed."""
    docs = folder / "docs/integrations/sources"
    docs.mkdir(parents=True)
    for number in range(count):
        connector = folder / f"airbyte-integrations/connectors/source-generated-{number}"
        connector.mkdir(parents=True)
        values = {"number": number, "patch": number % 10}
        (connector / "metadata.yaml").write_text(_METADATA.format(**values))
        (connector / "setup.py").touch()
        (docs / f"generated-{number}.md").write_text(_PAGE.format(**values))
        _dockerfile(connector, f"0.1.{number % 10}")
    _commit(folder)


def _version(connector: Path) -> str:
    lines = (connector / "metadata.yaml").read_text().splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("  dockerImageTag: "))


def _dockerfile(connector: Path, version: str) -> None:
    package = connector.name.replace("-", "_")
    (connector / package).mkdir(exist_ok=True)
    text = _DOCKERFILE.format(package=package, version=version, name=connector.name)
    (connector / "Dockerfile").write_text(text)


def _commit(folder: Path) -> None:
    for arguments in (("init", "-q", "-b", "master"), ("add", "-A"), ("commit", "-qm", "fleet")):
        subprocess.run([*_GIT, *arguments], cwd=folder, check=True)


def _ours(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "airbyte_ci", "--repo", str(folder), "connectors", *arguments]


def list_again() -> Result:
    """With nothing changed, against a Python that does nothing."""
    if not FLEET.exists():
        return f"not measured: {FLEET.name} is not there"
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(FLEET) as archive:
            archive.extractall(name, filter="data")
        home = {"AIRBYTE_CI_HOME": f"{name}/home"}
        time.sleep(0.2)  # files that are just written are not trusted to stay
        return medians(
            lambda: seconds(_ours(Path(name), "list"), env=home), lambda: seconds([sys.executable, "-c", "pass"])
        )


def migrate() -> Result:
    """Seconds, against the bar."""
    if not FLEET.exists():
        return f"not measured: {FLEET.name} is not there"
    with tempfile.TemporaryDirectory() as name:
        real(Path(name))
        return _migrating(Path(name)), 3.0


def migrate_memory() -> Result:
    """Megabytes at the most, against the bar."""
    if not FLEET.exists():
        return f"not measured: {FLEET.name} is not there"
    with tempfile.TemporaryDirectory() as name:
        real(Path(name))
        # Connectors that are refused end it with 1.
        return peak(_dry_run(Path(name)), endings=(0, 1)), 150


def growth(smaller: int, larger: int) -> Callable[[], Result]:
    """Processor seconds for each connector of a large fleet, against those of a small one."""

    def run() -> Result:
        times = []
        for count in (larger, smaller):
            with tempfile.TemporaryDirectory() as name:
                generated(Path(name), count)
                before = _processor_seconds()
                subprocess.run(_dry_run(Path(name)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
                times.append((_processor_seconds() - before) / count)
        return times[0], times[1]

    return run


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _migrating(folder: Path, rounds: int = 3) -> float:
    """The best of several dry runs; connectors that are refused end it with 1, which is no failure of the measure."""
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        ended = subprocess.run(_dry_run(folder), capture_output=True, check=False)
        assert ended.returncode in (0, 1), ended.stderr[-500:]
        best = min(best, time.perf_counter() - started)
    return best


def _dry_run(folder: Path) -> list[str]:
    return _ours(folder, "--all", "migrate_to_base_image", "31543", "--dry-run")


MEASURES = (
    Measure("connectors list again, 373 connectors ÷ python -c pass", 12, list_again),
    Measure("migrate --all --dry-run, 288 connectors ÷ 3 s", 1, migrate),
    Measure("peak memory of that ÷ 150 MB", 1, migrate_memory, unit="MB"),
    Measure("migrate, a connector of 3,000 ÷ one of 300", 1.3, growth(300, 3_000)),
    Measure("migrate, a connector of 30,000 ÷ one of 3,000", 1.3, growth(3_000, 30_000)),
)
