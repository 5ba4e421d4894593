"""The steps of a connector's test: their ids, which never change, and how each one ended. No step is known here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airbyte_ci.errors import UsageError
from airbyte_ci.outcomes import Status

StepId = Literal["build", "unit", "integration", "spec", "check", "discover", "read", "rules"]
# In the order in which they are told. Those of one wave run side by side; a wave waits for the one before it.
WAVES: tuple[tuple[StepId, ...], ...] = (
    ("build",),
    ("unit", "integration", "spec", "check", "discover"),
    ("read",),
    ("rules",),
)
IDS: tuple[StepId, ...] = tuple(step for wave in WAVES for step in wave)
# They run in the image, so they need it built.
IN_IMAGE: tuple[StepId, ...] = IDS[1:-1]
# Of these at least one must have run for a connector to be tested: any image answers `spec`.
TESTS: tuple[StepId, ...] = ("unit", "integration", "check", "discover", "read")
# Why a step did not come to its end when the whole run was stopped.
INTERRUPTED = "interrupted"
CODE_TESTS: tuple[StepId, ...] = ("build", "unit", "integration")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a suite, as JUnit names it; `group` is its class or module, `seconds` how long it took."""

    name: str
    group: str
    status: Status
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended. `reason` says why it is not ok, `details` what was printed; `answer` is for later steps."""

    id: StepId
    status: Status
    summary: str = ""
    reason: str = ""
    advice: str = ""
    details: tuple[str, ...] = ()
    seconds: float = 0.0
    cases: tuple[Case, ...] = ()
    answer: Any = None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """All steps of one connector's test in the order of their ids; `folder` is its place in the repository (posix)."""

    name: str
    folder: str
    steps: tuple[Ended, ...]

    @property
    def is_interrupted(self) -> bool:
        return any(step.status == "skipped" and step.reason == INTERRUPTED for step in self.steps)

    @property
    def status(self) -> Status:
        """ok where at least one step was, none failed, and none was interrupted."""
        states = {step.status for step in self.steps}
        if self.is_interrupted:
            return "failed" if "failed" in states else "skipped"
        return next((state for state in ("failed", "ok", "unverified") if state in states), "skipped")


def whole(steps: Sequence[Ended]) -> tuple[Status, str]:
    """How a test with all its steps ended, and what to tell of it: what failed, what ran, or why nothing did."""
    if bad := [step for step in steps if step.status == "failed"]:
        return "failed", f"{bad[0].id}: {bad[0].reason}"
    ran = [step.id for step in steps if step.status == "ok"]
    if not set(ran).intersection(TESTS):
        return "unverified", "; ".join(f"{step.id}: {step.reason}" for step in steps if step.id in TESTS)
    return "ok", ", ".join(ran)


def ok(step: StepId, summary: str, *, answer: Any = None) -> Ended:
    return Ended(step, "ok", summary, answer=answer)


def failed(step: StepId, reason: str, advice: str = "", details: tuple[str, ...] = ()) -> Ended:
    return Ended(step, "failed", reason=reason, advice=advice, details=details)


def skipped(step: StepId, reason: str, advice: str = "") -> Ended:
    return Ended(step, "skipped", reason=reason, advice=advice)


def wanted(only: Collection[str], skip: Collection[str]) -> frozenset[StepId]:
    """The steps that were asked for, with the build where one of them needs it; raises UsageError."""
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
