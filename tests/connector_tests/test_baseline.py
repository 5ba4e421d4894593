"""A baseline excuses exactly what failed before."""

import pytest

from airbyte_ci.connector_tests.baseline import excuse, steps_to_compare
from airbyte_ci.connector_tests.steps import INTERRUPTED, Case, Ended, StepId, TrialResult, failed, ok, skipped

COMMIT = "0123456789abcdef"


def result(*steps: Ended) -> TrialResult:
    return TrialResult("source-a", "connectors/source-a", steps)


def suite(*names: str, step: StepId = "unit") -> Ended:
    """A suite in which these tests failed."""
    cases = tuple(Case(name, "test_a", "failed") for name in names)
    return Ended(id=step, status="failed", reason=f"{len(names)} failed", cases=cases)


@pytest.mark.parametrize(
    ("after", "before", "status", "words"),
    [
        (
            failed("check", "refused"),
            failed("check", "refused"),
            "unverified",
            "failed before this change, at 0123456789",
        ),
        (failed("check", "refused"), ok("check", "SUCCEEDED"), "failed", "refused"),
        (failed("check", "refused"), skipped("check", "no configuration"), "failed", "refused"),
        (suite("one"), suite("one", "two"), "unverified", "failed before"),
        (suite("one", "two"), suite("one"), "failed", "new failures since 0123456789: test_a::two"),
        (suite(), suite("one"), "failed", "0 failed"),
        (suite("one"), failed("unit", "cannot start"), "failed", "new failures"),
        (failed("rules", "a rule"), failed("rules", "a rule"), "failed", "a rule"),
    ],
)
def test_only_what_failed_before_is_excused(after: Ended, before: Ended, status: str, words: str) -> None:
    """A step is excused if it failed before; a suite only if it has no new failed test."""
    (step,) = excuse(result(after), result(before), COMMIT).steps
    assert step.status == status and words in step.reason


def test_only_failed_steps_run_again() -> None:
    """Nothing runs at the baseline if nothing failed, or if the test was interrupted."""
    assert steps_to_compare(result(ok("build", ""), ok("spec", ""))) == frozenset()
    assert steps_to_compare(result(failed("check", "x"), failed("rules", "x"))) == {"check"}
    assert steps_to_compare(result(failed("check", "x"), skipped("read", INTERRUPTED))) == frozenset()
