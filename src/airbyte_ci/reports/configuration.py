"""Formats a configuration file from a survey of the repository, with the reason for each value."""

import json
from collections.abc import Iterator

from airbyte_ci.config import KEYS, Key
from airbyte_ci.connectors.survey import Survey
from airbyte_ci.text import escape

# Keys that the file shows even without a proposed value, because most repositories need them later.
_EXAMPLES = {
    "platform-version": '"0.63.0"',
    "customization-owners": '"@acme/connector-ops"',
    "resolve-as-of": '"2024-04-01"',
    "insecure-registries": '["registry.local:5000"]',
}


def toml(survey: Survey) -> str:
    """Returns the file: each value with its help and its reason; defaults and examples are comments."""
    head = ["# Configuration of airbyte-ci for this repository; every key is optional.", ""]
    return "\n".join([*head, *(escape(line) for key in KEYS for line in _lines(key, survey))]).rstrip() + "\n"


def seen(survey: Survey) -> Iterator[str]:
    """Yields one line for each key: the value and its reason."""
    for key in KEYS:
        proposal = survey.of(key)
        if proposal is not None:
            value = "default" if proposal.value is None else _value(proposal.value)
            yield f"  {key.name} = {value}: {proposal.reason}"
    yield from (f"  ! {note}" for note in survey.notes)


def _lines(key: Key, survey: Survey) -> Iterator[str]:
    proposal = survey.of(key)
    if proposal is None:
        if key.name in _EXAMPLES:
            yield from (f"# {_sentence(key.help)}.", f"# {key.name} = {_EXAMPLES[key.name]}", "")
        return
    yield f"# {_sentence(key.help)}: {escape(proposal.reason)}."
    if proposal.value is None:
        yield f"# {key.name} = {_value(key.default) if key.default or key.default == () else json.dumps('')}"
    else:
        yield f"{key.name} = {_value(proposal.value)}"
    yield ""


def _value(value: str | bool | tuple[str, ...]) -> str:  # noqa: FBT001  # a value of any type, no flag
    """Returns a value in TOML, which writes strings, booleans and lists of strings as JSON does."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
