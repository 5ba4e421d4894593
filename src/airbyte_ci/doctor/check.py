"""One check of this machine: its result, and what a failure means."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "limited", "untried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCheck:
    """One check: whether it works, the finding, and on failure the effect and the command that fixes it.

    `missing` blocks all builds, `limited` only some builds or commands. `error_id` is that of the error that was found,
    or empty.
    """

    name: str
    status: Status
    told: str
    cost: str = ""
    advice: str = ""
    seconds: float = 0.0
    error_id: str = ""
