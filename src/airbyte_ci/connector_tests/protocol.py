"""Runs the commands of the Airbyte protocol in the image (`spec`, `check`, `discover`, `read`) and checks the answers.

`messages` validates every message against the protocol; this module adds the requirements of each command.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_ci import schema_errors
from airbyte_ci.connector_tests.messages import Messages
from airbyte_ci.connector_tests.place import FILES, StepSandbox
from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.connector_tests.steps import Ended, StepId, failed, ok
from airbyte_ci.documents import load_json
from airbyte_ci.sandbox.sandbox import Finished, Network

_SHOWN = 15
_FULL_REFRESH = "full_refresh"


@dataclass(frozen=True, slots=True)
class Called:
    """One finished command of the connector; `secrets` must not appear in what is reported."""

    step: StepId
    finished: Finished
    messages: Messages
    secrets: Secrets

    def fail(self, reason: str, *, shown: bool = True) -> Ended:
        """Returns a failed step with the connector's last output, without secrets."""
        text = self.secrets.redact((self.finished.stdout + self.finished.stderr).decode(errors="replace"))
        details = tuple(text.rstrip().splitlines()[-_SHOWN:]) if shown else ()
        return failed(self.step, self.secrets.redact(reason), "", details)

    def failure(self) -> Ended | None:
        """Returns violations that no command allows: invalid messages, a reported error, an exit code."""
        if self.messages.problems:
            more = self.messages.invalid - 1
            others = f" and {more} more" if more else ""
            ended = self.fail(f"not of the Airbyte protocol: {self.messages.problems[0]}{others}", shown=False)
            return failed(self.step, ended.reason, "", tuple(map(self.secrets.redact, self.messages.problems[1:])))
        if self.messages.errors:
            return self.fail(f"the connector says: {self.messages.errors[0]}")
        if self.finished.returncode:
            return self.fail(f"exit code {self.finished.returncode}")
        return None


def spec(place: StepSandbox, secrets: Secrets) -> Ended:
    """Requires one SPEC whose connectionSpecification is a JSON Schema."""
    called = _call(place, "spec", (), {}, "none", secrets)
    if ended := called.failure():
        return ended
    found = called.messages.kept["SPEC"]
    if len(found) != 1:
        return called.fail(f"{len(found) or 'no'} SPEC message{'s' * (len(found) != 1)}, and one is expected")
    if wrong := _not_a_schema(found[0].get("connectionSpecification")):
        return called.fail(f"connectionSpecification is not a JSON Schema: {wrong}", shown=False)
    return ok("spec", "valid")


def check(place: StepSandbox, network: Network, secrets: Secrets) -> Ended:
    """Requires CONNECTION_STATUS with SUCCEEDED."""
    called = _call(place, "check", ("config",), _files(secrets), network, secrets)
    statuses = called.messages.kept["CONNECTION_STATUS"]
    if not called.messages.problems and len(statuses) == 1 and statuses[0].get("status") == "FAILED":
        return called.fail(f"the connection failed: {statuses[0].get('message') or 'without a message'}", shown=False)
    if ended := called.failure():
        return ended
    if len(statuses) != 1:
        return called.fail(f"{len(statuses) or 'no'} CONNECTION_STATUS, and one is expected")
    return ok("check", "SUCCEEDED")


def discover(place: StepSandbox, network: Network, secrets: Secrets) -> Ended:
    """Requires one CATALOG of uniquely named streams, each with a JSON Schema; the answer is the catalog."""
    called = _call(place, "discover", ("config",), _files(secrets), network, secrets)
    if ended := called.failure():
        return ended
    catalogs = called.messages.kept["CATALOG"]
    if len(catalogs) != 1:
        return called.fail(f"{len(catalogs) or 'no'} CATALOG, and one is expected")
    streams = catalogs[0]["streams"]
    if not streams:
        return called.fail("the catalog has no stream", shown=False)
    names = [(stream.get("namespace"), stream["name"]) for stream in streams]
    if twice := sorted({name for key in names if names.count(key) > 1 for name in [key[1]]}):
        return called.fail(f"the catalog has {', '.join(twice)} twice", shown=False)
    for stream in streams:
        if wrong := _not_a_schema(stream.get("json_schema")):
            return called.fail(f"the schema of {stream['name']} is not a JSON Schema: {wrong}", shown=False)
    return ok("discover", _number(len(streams), "stream"), answer=catalogs[0])


def read(place: StepSandbox, network: Network, secrets: Secrets, catalog: bytes, state: bytes | None) -> Ended:
    """Requires only records of the catalog's streams; reports the number of each."""
    options = ("config", "catalog", *(["state"] if state is not None else []))
    files = {**_files(secrets), f"{FILES}/catalog.json": catalog}
    if state is not None:
        files[f"{FILES}/state.json"] = state
    called = _call(place, "read", options, files, network, secrets)
    if ended := called.failure():
        return ended
    records = called.messages.records
    asked = {item["stream"]["name"] for item in load_json(catalog)["streams"]}
    if strange := sorted(set(records) - asked):
        return called.fail(f"records of {', '.join(strange)}, which the catalog does not include", shown=False)
    silent = len(asked - set(records))
    counts = [_number(records.total(), "record"), f"of {_number(len(records), 'stream')}"]
    counts += [f"({_number(silent, 'stream')} without records)"] if silent else []
    return ok("read", secrets.redact(f"{' '.join(counts)}, {_number(called.messages.counts['STATE'], 'state')}"))


def configured(catalog: Mapping[str, Any], prefer: str = _FULL_REFRESH) -> bytes:
    """Returns a configured catalog that selects every stream, with the preferred sync mode if possible."""
    streams = []
    for stream in catalog["streams"]:
        modes: Sequence[str] = stream.get("supported_sync_modes") or [_FULL_REFRESH]
        mode = prefer if prefer in modes else modes[0]
        item = {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}
        if mode != _FULL_REFRESH and stream.get("default_cursor_field"):
            item["cursor_field"] = stream["default_cursor_field"]
        streams.append(item)
    return json.dumps({"streams": streams}).encode()


def problem_of_catalog(text: bytes) -> str:
    """Returns why a file is not a valid configured catalog; empty if it is."""
    try:
        items = load_json(text)["streams"]
        names = [item["stream"]["name"] for item in items]
    except (ValueError, KeyError, TypeError) as error:
        return f"it is not a configured catalog ({type(error).__name__}: {error})"
    return "" if names and all(isinstance(name, str) for name in names) else "it selects no stream"


def problem_of_state(text: bytes) -> str:
    """Returns why a file is not a valid state; empty for a list of states, or an older connector's object."""
    try:
        state = load_json(text)
    except ValueError as error:
        return f"it is not a state (not JSON: {error})"
    items = state if isinstance(state, list) else [state]
    return (
        ""
        if all(isinstance(item, dict) for item in items)
        else "it is not a state (neither an object nor a list of them)"
    )


def _call(
    place: StepSandbox,
    step: StepId,
    options: Sequence[str],
    files: Mapping[str, bytes],
    network: Network,
    secrets: Secrets,
) -> Called:
    messages = Messages()
    arguments = [word for name in options for word in (f"--{name}", f"/{FILES}/{name}.json")]
    finished = place.run((step, *arguments), network, files=files, heard=messages.hear)
    messages.end()
    return Called(step, finished, messages, secrets)


def _files(secrets: Secrets) -> dict[str, bytes]:
    return {f"{FILES}/config.json": secrets.configuration} if secrets.configuration else {}


def _not_a_schema(schema: object) -> str:
    with schema_errors.quick_import():
        from jsonschema import Draft7Validator  # slow to import; the protocol uses draft 7
        from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict):
        return "it is not an object"
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message:.160}"
    return ""


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
