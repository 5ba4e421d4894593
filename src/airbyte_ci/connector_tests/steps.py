"""The steps of a connector's test: their permanent ids, and how each one ended."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airbyte_ci.errors import UsageError
from airbyte_ci.outcomes import Status

StepId = Literal["build", "unit", "integration", "spec", "check", "discover", "read", "rules"]
# In the order in which they are reported. Steps of one wave run in parallel, after the previous wave.
WAVES: tuple[tuple[StepId, ...], ...] = (
    ("build",),
    ("unit", "integration", "spec", "check", "discover"),
    ("read",),
    ("rules",),
)
IDS: tuple[StepId, ...] = tuple(step for wave in WAVES for step in wave)
# These steps run in the image, so they need the build.
IN_IMAGE: tuple[StepId, ...] = IDS[1:-1]
# At least one of these must have run for a connector to count as tested, because any image answers `spec`.
TESTS: tuple[StepId, ...] = ("unit", "integration", "check", "discover", "read")
# Why a step did not finish when the whole run was stopped.
INTERRUPTED = "interrupted"
CODE_TESTS: tuple[StepId, ...] = ("build", "unit", "integration")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a suite, as in JUnit; `group` is its class or module, `seconds` its duration."""

    name: str
    group: str
    status: Status
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The result of a step. `reason` is why it is not ok, `details` the output, `answer` is for later steps."""

    id: StepId
    status: Status
    summary: str = ""
    reason: str = ""
    advice: str = ""
    error_id: str = ""
    details: tuple[str, ...] = ()
    seconds: float = 0.0
    cases: tuple[Case, ...] = ()
    answer: Any = None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """All steps of one connector's test in the order of their ids; `folder` is its path in the repository (posix).

    `image` is the digest of the tested image's manifest, empty if none was built. `folders` are those that the build
    read in addition to the connector's own.
    """

    name: str
    folder: str
    steps: tuple[Ended, ...]
    image: str = ""
    folders: tuple[str, ...] = ()

    @property
    def is_interrupted(self) -> bool:
        return any(step.status == "skipped" and step.reason == INTERRUPTED for step in self.steps)

    @property
    def status(self) -> Status:
        """Returns ok if at least one step succeeded, none failed, and none was interrupted."""
        states = {step.status for step in self.steps}
        if self.is_interrupted:
            return "failed" if "failed" in states else "skipped"
        return next((state for state in ("failed", "ok", "unverified") if state in states), "skipped")


def whole(steps: Sequence[Ended]) -> tuple[Status, str]:
    """Returns the outcome of the whole test: what failed, what ran, or why nothing did."""
    if bad := [step for step in steps if step.status == "failed"]:
        return "failed", f"{bad[0].id}: {bad[0].reason}"
    ran = [step.id for step in steps if step.status == "ok"]
    if not set(ran).intersection(TESTS):
        return "unverified", "; ".join(f"{step.id}: {step.reason}" for step in steps if step.id in TESTS)
    return "ok", ", ".join(ran)


def ok(step: StepId, summary: str, *, answer: object = None) -> Ended:
    return Ended(id=step, status="ok", summary=summary, answer=answer)


def failed(step: StepId, reason: str, advice: str = "", details: tuple[str, ...] = ()) -> Ended:
    return Ended(id=step, status="failed", reason=reason, advice=advice, details=details)


def skipped(step: StepId, reason: str, advice: str = "") -> Ended:
    return Ended(id=step, status="skipped", reason=reason, advice=advice)


def wanted(only: Collection[str], skip: Collection[str]) -> frozenset[StepId]:
    """Returns the requested steps, with the build if one of them needs it; raises UsageError."""
    for name in (*only, *skip):
        if name not in IDS:
            raise UsageError(f"there is no step {name!r}", advice=f"known: {', '.join(IDS)}")
    found = {step for step in IDS if step not in skip and (step in only if only else True)}
    if not found:
        raise UsageError("no step is left to run", advice="give --only-step or --skip-step, not both for one step")
    if found.intersection(IN_IMAGE):
        if "build" in skip:
            raise UsageError(
                "the other steps run in the image, so build cannot be left out",
                advice="with nothing changed it takes no time",
            )
        found.add("build")
    return frozenset(found)
