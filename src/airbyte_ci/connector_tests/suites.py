"""Runs pytest in the connector's own image: unit tests without network, integration tests with network.

Treats pytest's output, exit code and JUnit report as untrusted data of the container.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from airbyte_ci.connector_tests import secrets as secrecy
from airbyte_ci.connector_tests.development import Development
from airbyte_ci.connector_tests.place import REPORTS, StepSandbox
from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.connector_tests.steps import Case, Ended, StepId, failed, skipped
from airbyte_ci.connectors.connector import MANIFEST_ONLY, Connector
from airbyte_ci.images import gradle, source
from airbyte_ci.outcomes import Status
from airbyte_ci.sandbox.output_files import OutputRefused, read_output
from airbyte_ci.sandbox.sandbox import Finished, Network

_FOLDERS: dict[StepId, tuple[str, ...]] = {
    "unit": ("unit_tests", "tests/unit_tests", "tests/unit"),
    "integration": ("integration_tests", "tests/integration_tests", "tests/integration"),
}
_REPORT = "pytest.xml"
_LARGEST_REPORT = 64 << 20
_NO_TESTS = 5  # https://docs.pytest.org/en/stable/reference/exit-codes.html
_TESTS_FAILED = 1
_SHOWN = 30
# These follow the connector's own options. At this verbosity pytest abbreviates no value, so all are redacted.
_OPTIONS = ("--color=no", "--verbosity=2")


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests of one kind: their place in the connector's folder, and their network."""

    step: StepId
    folder: str
    network: Network


def find(connector: Connector, step: StepId, network: Network) -> Suite | None:
    """Returns the connector's tests of this kind; None if it has none."""
    found = next((name for name in _FOLDERS[step] if (connector.folder / name).is_dir()), None)
    return Suite(step, found, network) if found else None


def absent(step: StepId) -> Ended:
    return skipped(step, f"no {_FOLDERS[step][0]}")


def of_gradle(connector: Connector, step: StepId) -> Ended:
    """Returns why a Java connector's tests are not run: they need its build tool, which its image lacks."""
    task = "test" if step == "unit" else "integrationTest"
    return skipped(step, f"Gradle runs the {step} tests of Java connectors", gradle.command(connector, task))


def missing_secrets(connector: Connector, secrets: Secrets) -> Ended | None:
    """Returns why the integration tests cannot run: files that metadata.yaml requires are missing."""
    options = connector.data.get("connectorTestSuitesOptions")
    items = [item for item in options if isinstance(item, dict)] if isinstance(options, list) else []
    declared = [item.get("testSecrets") or [] for item in items if item.get("suite") == "integrationTests"]
    names = [entry.get("fileName") for entries in declared for entry in entries if isinstance(entry, dict)]
    there = {*secrets.files, *([secrecy.CONFIGURATION] if secrets.configuration else [])}
    absent_names = [str(name) for name in names if name and name not in there]
    if not absent_names:
        return None
    return skipped(
        "integration", f"secrets are missing: {', '.join(f'{secrecy.FOLDER}/{name}' for name in absent_names)}"
    )


def run(suite: Suite, connector: Connector, development: Development, place: StepSandbox, secrets: Secrets) -> Ended:
    """Runs the suite; raises SandboxError if it cannot run at all. Unit tests see no secret."""
    if not development.has_pytest:
        groups = f"group {', '.join(development.groups)}" if development.groups else "none in its lock"
        return skipped(suite.step, f"no pytest among its development dependencies ({groups})", _advice(connector))
    with place.reports() as (folder, mount):
        workdir, target, path = f"/{source.CODE}", suite.folder, {}
        if connector.language == MANIFEST_ONLY:
            # The framework's fixtures use the parent of the working directory as the connector's folder.
            workdir, target, path = f"{workdir}/{suite.folder}", ".", {"PYTHONPATH": workdir}
        arguments = (development.python, "-m", "pytest", target, f"--junitxml={REPORTS}/{_REPORT}", *_OPTIONS)
        finished = replace(place, command=replace(place.command, workdir=workdir)).run(
            arguments,
            suite.network,
            files=_secret_files(secrets) if suite.step == "integration" else {},
            fill=lambda upper: place.copy(upper, connector, development.main),
            mounts=(mount,),
            variables={
                "PYTHONDONTWRITEBYTECODE": "1",
                **path,
                **(secrets.variables if suite.step == "integration" else {}),
            },
        )
        report = _read(folder)
    return _judge(suite, finished, _cases(report, secrets) if report is not None else None, secrets)


def _advice(connector: Connector) -> str:
    if connector.language == MANIFEST_ONLY:
        return f"cd {connector.relative}/unit_tests && poetry add --group dev pytest"
    if "pyproject.toml" not in connector.names:
        return ""
    return f"cd {connector.relative} && poetry add --group dev pytest"


def _secret_files(secrets: Secrets) -> dict[str, bytes]:
    files = {f"{source.CODE}/{secrecy.FOLDER}/{name}": content for name, content in secrets.files.items()}
    if secrets.configuration:
        files[f"{source.CODE}/{secrecy.FOLDER}/{secrecy.CONFIGURATION}"] = secrets.configuration
    return files


def _judge(suite: Suite, finished: Finished, cases: tuple[Case, ...] | None, secrets: Secrets) -> Ended:
    if finished.returncode == _NO_TESTS:
        return skipped(suite.step, f"pytest finds no test in {suite.folder}")
    if cases and finished.returncode in (0, _TESTS_FAILED):
        numbers = _counted(cases)
        ended = Ended(id=suite.step, status="ok", summary=numbers, cases=cases)
        if finished.returncode == 0:
            return ended
        names = [f"{case.group}.{case.name}" for case in cases if case.status == "failed"]
        return replace(ended, status="failed", reason=f"{numbers}: {_some(names)}", details=_said(finished, secrets))
    if finished.returncode == 0:
        return failed(
            suite.step, "pytest ended well without a report, so nothing is known", "", _said(finished, secrets)
        )
    reason = f"pytest could not run the tests (exit code {finished.returncode})"
    return replace(failed(suite.step, reason, "", _said(finished, secrets)), cases=cases or ())


def _said(finished: Finished, secrets: Secrets) -> tuple[str, ...]:
    """Returns the end of pytest's output without secrets, redacted before the cut, which could split one."""
    text = secrets.redact((finished.stdout + finished.stderr).decode(errors="replace"))
    return tuple(text.rstrip().splitlines()[-_SHOWN:])


def _counted(cases: tuple[Case, ...]) -> str:
    words: tuple[tuple[Status, str], ...] = (("failed", "failed"), ("ok", "passed"), ("skipped", "skipped"))
    numbers = [(sum(case.status == status for case in cases), word) for status, word in words]
    return ", ".join(f"{number} {word}" for number, word in numbers if number)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _read(folder: Path) -> bytes | None:
    """Returns the report that the container wrote; None if there is no readable one."""
    try:
        return read_output(folder, _REPORT, _LARGEST_REPORT)
    except (OSError, OutputRefused):
        return None


def _cases(report: bytes, secrets: Secrets) -> tuple[Case, ...] | None:
    """Returns the report's test cases; None for an invalid report. Entities are refused: pytest writes none."""
    if b"<!DOCTYPE" in report or b"<!ENTITY" in report:
        return None
    try:
        root = ElementTree.fromstring(report)
    except (ElementTree.ParseError, LookupError, ValueError):
        return None
    return tuple(_case(element, secrets) for element in root.iter("testcase"))


def _case(element: Any, secrets: Secrets) -> Case:  # noqa: ANN401  # an XML element; the parser is imported late
    status: Status = "ok"
    message = ""
    for child in element:
        if child.tag in ("failure", "error"):
            status, message = "failed", f"{child.get('message') or ''}\n{child.text or ''}".strip()
        elif child.tag == "skipped" and status == "ok":
            status, message = "skipped", child.get("message") or ""
    try:
        seconds = float(element.get("time") or 0)
    except ValueError:
        seconds = 0.0
    name, group = (secrets.redact(element.get(key) or "") for key in ("name", "classname"))
    return Case(name, group, status=status, message=secrets.redact(message), seconds=seconds)
