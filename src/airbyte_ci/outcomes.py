"""The outcomes of a command: one for each subject, and the exit code for all of them."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from airbyte_ci import advice
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.records import dataclass

Status = Literal["ok", "skipped", "failed", "unverified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one subject. `reason` says why it is not ok, `advice` is the next command, `facts` is for JSON.

    `error_id` is that of the error that the reason reports, or empty.
    """

    subject: str
    status: Status
    summary: str = ""
    reason: str = ""
    advice: str = ""
    error_id: str = ""
    details: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, command: str) -> dict[str, Any]:
        """Returns the document of the command, which it names: `reports merge` reads those of several commands."""
        document: dict[str, Any] = {"name": self.subject, "command": command, "status": self.status, **self.facts}
        if self.reason:
            document["reason"] = self.reason
        if self.error_id:
            document["errorId"] = self.error_id
        document |= advice.to_json(self.advice)
        if self.status == "failed" and self.details:
            document["details"] = list(self.details)
        return document


def failure(subject: str, error: AirbyteCiError, details: tuple[str, ...] = ()) -> Outcome:
    """Returns the outcome of a subject whose work ended with an error; `details` are added to the error's own."""
    return Outcome(
        subject=subject,
        status="failed",
        reason=error.message,
        advice=error.advice or "",
        error_id=error.error_id,
        details=(*error.details, *details),
    )


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """Returns 1 if anything failed, else 0; skipped and unverified outcomes are not failures."""
    return int(any(outcome.status == "failed" for outcome in outcomes))
