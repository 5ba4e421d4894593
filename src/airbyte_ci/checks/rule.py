"""The types of rules and their results: ids, verdicts, places and weights. The rules are in modules of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.outcomes import Status

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Location:
    """A file by its posix path from the repository's root; `line` counts from 1, and 0 is the file as a whole."""

    path: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule's result for one connector: the reason of a failure, the command that fixes it, and its place.

    The `reason` of a verdict that is ok is a note. `error_id` is that of the error that the reason reports, or empty.
    """

    status: Status
    reason: str = ""
    advice: str = ""
    place: Location | None = None
    error_id: str = ""


OK = Verdict("ok")


def failed(reason: str, advice: str, place: Location | None = None, error_id: str = "") -> Verdict:
    """Returns the verdict that the connector violates the rule."""
    return Verdict("failed", reason, advice, place, error_id)


def unverified(reason: str, advice: str = "", error_id: str = "") -> Verdict:
    """Returns the verdict that the rule cannot be verified on this machine at this time."""
    return Verdict("unverified", reason, advice, error_id=error_id)


def unverified_by(error: AirbyteCiError) -> Verdict:
    """Returns the verdict that this error prevents the rule from being verified."""
    return unverified(error.message, error.advice or "", error.error_id)


def inapplicable(reason: str) -> Verdict:
    """Returns the verdict that the rule does not apply to this connector."""
    return Verdict("skipped", reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `point` is the guide's (1 to 6, 0: none), `label` its name in the summary, which rules may share.

    `title` is the requirement and `why` its reason. Most rules are errors or warnings depending on the support level.
    A `severity` applies to all connectors instead. With `needs_level`, a missing support level makes the failure an
    error, because the missing level may be the fault.
    """

    id: str
    point: int
    label: str
    title: str
    why: str
    severity: Severity | None = None
    needs_level: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A rule and the function that applies it to a connector."""

    rule: Rule
    run: Callable[[Connector], Verdict]


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """A rule's verdict about one connector, and the severity of a failure."""

    rule: Rule
    severity: Severity
    verdict: Verdict

    @property
    def is_error(self) -> bool:
        return self.verdict.status == "failed" and self.severity == "error"

    @property
    def is_warning(self) -> bool:
        return self.verdict.status == "failed" and self.severity == "warning"

    @property
    def is_unverified(self) -> bool:
        return self.verdict.status == "unverified"


@dataclass(frozen=True, slots=True)
class Checked:
    """All findings about one connector, in the order of the rules, and notes about them."""

    name: str
    folder: str
    findings: tuple[RuleFinding, ...]
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """Returns failed if there is an error, else unverified if a check could not be verified, else ok."""
        if any(finding.is_error for finding in self.findings):
            return "failed"
        return "unverified" if any(finding.is_unverified for finding in self.findings) else "ok"
