"""The baseline of a test: what failed before a change is reported as such, and is no failure of the change."""

from dataclasses import replace

from airbyte_ci.connector_tests.steps import Ended, StepId, TrialResult

# Their result does not depend on the connector's folder alone, or is no step in the image.
_NOT_COMPARED: tuple[StepId, ...] = ("rules",)
_SHOWN = 3


def steps_to_compare(tested: TrialResult) -> frozenset[StepId]:
    """Returns the failed steps that are worth running at the baseline; empty if nothing failed."""
    if tested.is_interrupted:
        return frozenset()
    return frozenset(step.id for step in tested.steps if step.status == "failed" and step.id not in _NOT_COMPARED)


def excuse(tested: TrialResult, before: TrialResult, commit: str) -> TrialResult:
    """Returns the result in which a step that failed at the baseline, too, is unverified instead of failed.

    A suite is excused only if each of its failed tests failed before.
    """
    known = {step.id: step for step in before.steps}
    return replace(tested, steps=tuple(_excuse(step, known.get(step.id), commit) for step in tested.steps))


def _excuse(step: Ended, before: Ended | None, commit: str) -> Ended:
    if step.status != "failed" or before is None or before.status != "failed" or step.id in _NOT_COMPARED:
        return step
    failing, known = _failed_cases(step), _failed_cases(before)
    if new := sorted(failing - known):
        more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
        names = ", ".join(f"{group}::{name}" if group else name for group, name in new[:_SHOWN])
        return replace(step, reason=f"{step.reason}; new failures since {commit[:10]}: {names}{more}")
    if bool(failing) != bool(known):
        return step  # a suite that could not start, and one with failed tests, fail for different reasons
    return replace(step, status="unverified", reason=f"failed before this change, at {commit[:10]}: {before.reason}")


def _failed_cases(step: Ended) -> set[tuple[str, str]]:
    return {(case.group, case.name) for case in step.cases if case.status == "failed"}
