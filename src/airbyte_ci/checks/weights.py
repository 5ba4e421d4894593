"""Severities of failed rules: by the connector's support level, unless the configuration or command line overrides."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from airbyte_ci.checks.rule import Rule, Severity
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConfigurationError, UsageError

Weight = Literal["error", "warning", "off"]
_LIGHTER = ("community", "archived", None)


@dataclass(frozen=True, slots=True)
class Weights:
    """Severities by rule id. The default is an error for certified connectors, a warning for others.

    `asked` is from the command line and overrides the rest. `configured` is the `[checks]` table of this branch and, in
    a comparison, of the merge base. `before` holds support levels at the merge base, by folder. The stricter one wins.
    """

    asked: Mapping[str, Weight] = field(default_factory=dict)
    configured: Sequence[Mapping[str, Weight]] = ({},)
    before: Mapping[str, str | None] = field(default_factory=dict)

    def of(self, rule: Rule, connector: Connector) -> Severity:
        asked = self.asked.get(rule.id)
        if asked in ("error", "warning"):
            return asked
        light = is_lighter(connector.support_level) and is_lighter(self.before.get(connector.relative))
        light = light and not (rule.needs_level and connector.support_level is None)
        usual = rule.severity or ("warning" if light else "error")
        said = [table.get(rule.id) for table in self.configured]
        found = {usual if weight is None else weight for weight in said if weight != "off"} or {usual}
        return "error" if "error" in found else "warning"

    def is_off(self, rule: Rule) -> bool:
        if asked := self.asked.get(rule.id):
            return asked == "off"
        return all(table.get(rule.id) == "off" for table in self.configured)

    def notes(self, connector: Connector) -> tuple[str, ...]:
        """Returns a note when the branch lowers the support level, which has no effect before the merge."""
        level, before = connector.support_level, self.before.get(connector.relative)
        if not is_lighter(level) or is_lighter(before):
            return ()
        return (
            f"checked as {before}, the supportLevel at the merge base; here the supportLevel is {level or 'missing'}",
        )


def is_lighter(level: str | None) -> bool:
    """Returns whether failures are warnings. A misspelled level must not relax the checks of a certified connector."""
    return level in _LIGHTER


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
                raise ConfigurationError(
                    f"the configuration's checks.{weight} names an unknown check, {item!r}", advice=_near(item, known)
                )
            if item in said:
                raise ConfigurationError(f"the configuration's checks name {item!r} twice")
            said[item] = weight  # type: ignore[assignment]  # one of Weight's, seen above
    return said


def known_of(table: Mapping[str, Iterable[str]], known: Collection[str]) -> dict[str, Weight]:
    """As `configured`, of a table that was written for another version of this program: what is unknown is left."""
    kept = ((weight, [item for item in ids if item in known]) for weight, ids in table.items())
    return {item: weight for weight, ids in kept if weight in get_args(Weight) for item in ids}  # type: ignore[misc]  # get_args has just checked it


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
        said[name] = weight  # type: ignore[assignment]  # get_args has just checked it
    return said


def require_known(ids: Iterable[str], known: Collection[str]) -> None:
    """Raises UsageError for an id that no rule has."""
    for item in ids:
        if item not in known:
            raise UsageError(f"unknown check {item!r}", advice=_near(item, known))


def _near(item: str, known: Collection[str]) -> str:
    """Returns advice: the IDs that are similar, or all."""
    import difflib

    near = difflib.get_close_matches(item, known, n=2)
    return f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(known)}"
