"""How much a failed rule weighs: by the connector's support level, unless the configuration or the caller says else."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from airbyte_ci.checks.rule import Rule, Severity
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConfigurationError, UsageError

Weight = Literal["error", "warning", "off"]
_LIGHTER = ("community", "archived", None)


@dataclass(frozen=True, slots=True)
class Weights:
    """What was said of rules, by id. Nothing said: an error for certified connectors, a warning for the others."""

    said: Mapping[str, Weight] = field(default_factory=dict)

    def of(self, rule: Rule, connector: Connector) -> Severity:
        weight = self.said.get(rule.id)
        if weight in ("error", "warning"):
            return weight
        # A level that is misspelt must not make a certified connector's errors lighter.
        return rule.severity or ("warning" if connector.support_level in _LIGHTER else "error")

    def is_off(self, rule: Rule) -> bool:
        return self.said.get(rule.id) == "off"


def configured(table: Mapping[str, Iterable[str]], known: Collection[str]) -> dict[str, Weight]:
    """The configuration's `[checks]` table: weight → ids. Raises ConfigurationError."""
    said: dict[str, Weight] = {}
    for weight, ids in table.items():
        if weight not in get_args(Weight):
            raise ConfigurationError(
                f"the configuration's checks.{weight} is not known", advice="error, warning or off"
            )
        for item in ids:
            if item not in known:
                raise ConfigurationError(f"the configuration's checks.{weight} names {item!r}, which is no check")
            if item in said:
                raise ConfigurationError(f"the configuration's checks name {item!r} twice")
            said[item] = weight  # type: ignore[assignment]  # one of Weight's, seen above
    return said


def asked(texts: Iterable[str], known: Collection[str]) -> dict[str, Weight]:
    """`ID=WEIGHT` of the command line. Raises UsageError."""
    said: dict[str, Weight] = {}
    for text in texts:
        name, _, weight = text.partition("=")
        require_known([name], known)
        if weight not in get_args(Weight):
            raise UsageError(
                f"--severity {text!r} is not understood", advice="--severity ID=error, ID=warning or ID=off"
            )
        said[name] = weight  # type: ignore[assignment]
    return said


def require_known(ids: Iterable[str], known: Collection[str]) -> None:
    """Raises UsageError for an id that no rule has."""
    for item in ids:
        if item not in known:
            import difflib

            near = difflib.get_close_matches(item, known, n=2)
            raise UsageError(
                f"there is no check {item!r}", advice=f"did you mean {' or '.join(near)}?" if near else ", ".join(known)
            )
