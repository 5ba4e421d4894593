"""Rules and what they find: stable ids, verdicts, places and weights. No rule is known here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.outcomes import Status

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Place:
    """A file by its posix path from the repository's root; `line` counts from 1, and 0 is the file as a whole."""

    path: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of one connector: why it does not hold, the command that mends it, and where to look.

    The `reason` of one that is ok says what is known of it.
    """

    status: Status
    reason: str = ""
    advice: str = ""
    place: Place | None = None


OK = Verdict("ok")


def failed(reason: str, advice: str, place: Place | None = None) -> Verdict:
    """The rule does not hold."""
    return Verdict("failed", reason, advice, place)


def unverified(reason: str, advice: str = "") -> Verdict:
    """Whether the rule holds cannot be known here and now."""
    return Verdict("unverified", reason, advice)


def inapplicable(reason: str) -> Verdict:
    """The rule says nothing about this connector."""
    return Verdict("skipped", reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `point` is the guide's (1 to 6, 0: none), `label` the name of its mark, which rules may share.

    `title` says what holds when it holds, `why` what it is good for. Most rules weigh by the support level; one with a
    `severity` of its own weighs the same for all connectors, and one that `needs_level` is an error also where the
    level is missing, because that may be what is wrong.
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
    """A rule and the function that applies it, bound to all else that it needs to know."""

    rule: Rule
    run: Callable[[Connector], Verdict]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's verdict about one connector, and how much it weighs if the rule does not hold."""

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
    """All findings about one connector, in the order of the rules; `notes` are what else to know of them."""

    name: str
    folder: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """failed by an error only; unverified where nothing failed but something could not be known."""
        if any(finding.is_error for finding in self.findings):
            return "failed"
        return "unverified" if any(finding.is_unverified for finding in self.findings) else "ok"
