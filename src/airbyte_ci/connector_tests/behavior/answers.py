"""The answers of one image to the commands of the Airbyte protocol, for a comparison."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airbyte_ci.attest.compare.stream_rules import ReadResult, StreamKey
from airbyte_ci.connector_tests import protocol
from airbyte_ci.connector_tests.behavior.authority import Authority
from airbyte_ci.connector_tests.behavior.proxy import ADDRESS, proxy_service
from airbyte_ci.connector_tests.behavior.traffic import Answer
from airbyte_ci.connector_tests.messages import Messages
from airbyte_ci.connector_tests.place import FILES, StepSandbox
from airbyte_ci.connector_tests.read_inputs import ReadInputs
from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.documents import DocumentError, load_json
from airbyte_ci.errors import SandboxError
from airbyte_ci.sandbox import lending, sandbox
from airbyte_ci.sandbox.sandbox import Network

_CA = f"{FILES}/ca.pem"
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccess:
    """How an image reaches its source: through `answer`, which the proxy asks; without it, through `network`."""

    network: Network
    answer: Answer | None
    authority: Authority


@dataclass(slots=True, kw_only=True)
class ImageAnswers:
    """The answers of one image. `failures` says, by command, why one has none; `seconds` is the time of `spec`."""

    spec: Mapping[str, Any] | None = None
    seconds: float = 0.0
    check: str = ""
    catalog: Mapping[str, Any] | None = None
    reads: list[ReadResult] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def ask_spec(place: StepSandbox, secrets: Secrets, answers: ImageAnswers) -> None:
    """Runs `spec` without a network, and measures its time."""
    started = time.monotonic()
    messages = _call(place, "spec", {}, secrets, None, answers)
    answers.seconds = time.monotonic() - started
    answers.spec = next(iter(messages.kept["SPEC"]), None)


def ask_check(place: StepSandbox, secrets: Secrets, source: SourceAccess, answers: ImageAnswers) -> None:
    """Runs `check`."""
    files = _configuration(secrets)
    statuses = _call(place, "check", files, secrets, source, answers).kept["CONNECTION_STATUS"]
    answers.check = str(statuses[0].get("status")) if statuses else ""
    if statuses and answers.check != "SUCCEEDED":
        answers.failures["check"] = secrets.redact(str(statuses[0].get("message") or "without a message"))


def ask_streams(
    place: StepSandbox, connection: ReadInputs, source: SourceAccess, answers: ImageAnswers, old: ImageAnswers | None
) -> None:
    """Runs `discover`, and `read` twice: the second one starts from the first one's state.

    A new image reads the catalog of the `old` one, and starts from its state, as after a migration.
    """
    secrets = connection.secrets
    files = _configuration(secrets)
    answers.catalog = next(iter(_call(place, "discover", files, secrets, source, answers).kept["CATALOG"]), None)
    discovered = old.catalog if old else answers.catalog
    catalog = connection.catalog or (protocol.configured(discovered, prefer="incremental") if discovered else None)
    if catalog is None:
        answers.failures["read"] = "there is no catalog to read by"
        return
    try:
        keys = _primary_keys(load_json(catalog))
    except DocumentError as error:
        answers.failures["read"] = f"the catalog is invalid: {error}"
        return
    state = connection.state
    for number in range(2):
        more = {f"{FILES}/catalog.json": catalog, **({f"{FILES}/state.json": state} if state else {})}
        result = ReadResult()
        _call(place, "read", {**files, **more}, secrets, source, answers, (result, keys))
        answers.reads.append(result)
        before = old.reads[number] if old and len(old.reads) > number else result
        state = json.dumps(before.next_state).encode() if before.states else state


def _configuration(secrets: Secrets) -> dict[str, bytes]:
    return {f"{FILES}/config.json": secrets.configuration or b"{}"}


def _call(
    place: StepSandbox,
    command: str,
    files: Mapping[str, bytes],
    secrets: Secrets,
    source: SourceAccess | None,
    answers: ImageAnswers,
    reading: tuple[ReadResult, Mapping[StreamKey, Any]] | None = None,
) -> Messages:
    def listen(kind: str, payload: dict[str, Any]) -> None:
        if reading:
            reading[0].take(kind, payload, reading[1])

    messages = Messages(listen)
    given = [name for name in ("config", "catalog", "state") if f"{FILES}/{name}.json" in files]
    options = [word for name in given for word in (f"--{name}", f"/{FILES}/{name}.json")]
    variables: dict[str, str] = {}
    service = None
    network: Network = source.network if source else "none"
    if source and source.answer:
        network, service = "none", proxy_service(source.answer, source.authority)
        files = {**files, _CA: source.authority.certificate}
        variables = dict.fromkeys(_PROXY_VARIABLES, ADDRESS) | dict.fromkeys(lending.CERTIFICATE_VARIABLES, f"/{_CA}")
        variables |= {"NO_PROXY": "", "no_proxy": ""}
    try:
        finished = place.run(
            (command, *options), network, files=files, variables=variables, heard=messages.hear, service=service
        )
    except SandboxError as error:
        if sandbox.missing_tools(network):
            raise
        # The image is at fault: it has no such program, or took too long.
        answers.failures.setdefault(command, secrets.redact(error.message))
        return messages
    messages.end()
    reason = next(iter(messages.errors), "") or next(iter(messages.problems), "")
    if finished.returncode and not reason:
        last = finished.stderr.decode(errors="replace").strip().splitlines()[-1:]
        reason = f"exit code {finished.returncode}{f': {last[0]}' if last else ''}"
    if reason:
        answers.failures.setdefault(command, secrets.redact(reason))
    return messages


def _primary_keys(catalog: Mapping[str, Any]) -> dict[StreamKey, Any]:
    """Returns the primary key of each stream: the configured one, or the source's."""
    found = {}
    for item in catalog["streams"]:
        stream = item["stream"]
        key = (str(stream.get("namespace") or ""), str(stream["name"]))
        found[key] = stream.get("source_defined_primary_key") or item.get("primary_key") or ()
    return found
