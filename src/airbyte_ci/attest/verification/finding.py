"""Findings: the result of one check of one image or index. Data only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from airbyte_ci import advice as advices
from airbyte_ci.outcomes import Status

Check = Literal["signature", "provenance", "plan", "base", "sbom", "rebuild", "policy"]
CHECKS: tuple[Check, ...] = ("policy", "signature", "provenance", "plan", "base", "sbom", "rebuild")
# The subject of findings about the index; platforms are named like linux/amd64.
INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFinding:
    """A check of a subject with its status; `text` says what was found, or why it failed or could not be done."""

    subject: str
    check: Check
    status: Status
    text: str
    advice: str = ""
    error_id: str = ""

    def to_json(self) -> dict[str, Any]:
        document = {"subject": self.subject, "check": self.check, "status": self.status, "text": self.text}
        return {
            **document,
            **({"errorId": self.error_id} if self.error_id else {}),
            **advices.to_json(self.advice),
        }


def is_refused(findings: Iterable[ImageFinding]) -> bool:
    """Returns whether any check failed."""
    return any(item.status == "failed" for item in findings)
