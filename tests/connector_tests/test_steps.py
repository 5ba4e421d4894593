"""The steps that run, and their common outcome."""

import pytest

from airbyte_ci.connector_tests import steps
from airbyte_ci.connector_tests.steps import Ended, StepId, TrialResult
from airbyte_ci.errors import UsageError
from airbyte_ci.outcomes import Status


@pytest.mark.parametrize(
    ("only", "skip", "expected"),
    [
        ((), (), set(steps.IDS)),
        (("unit",), (), {"build", "unit"}),
        (("rules",), (), {"rules"}),
        ((), ("read", "rules"), {"build", "unit", "integration", "spec", "check", "discover"}),
        (("unit", "spec"), ("spec",), {"build", "unit"}),
    ],
)
def test_steps_are_chosen_with_the_build_that_they_need(
    only: tuple[str, ...], skip: tuple[str, ...], expected: set[str]
) -> None:
    """Nothing can be tested in an image that is not there."""
    assert steps.wanted(only, skip) == expected


@pytest.mark.parametrize(
    ("only", "skip"), [(("acceptance",), ()), ((), ("units",)), (("unit",), ("unit",)), ((), ("build",))]
)
def test_a_choice_that_makes_no_sense_is_refused(only: tuple[str, ...], skip: tuple[str, ...]) -> None:
    """Unknown ids, nothing left, and tests without an image."""
    with pytest.raises(UsageError):
        steps.wanted(only, skip)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"unit": "ok", "read": "skipped"}, ("ok", "build, spec, unit")),
        ({"unit": "skipped", "read": "skipped"}, ("unverified", "unit: why; read: why")),
        ({"unit": "ok", "read": "failed"}, ("failed", "read: why")),
        ({}, ("unverified", "")),
    ],
)
def test_a_test_is_one_where_more_than_spec_ran(states: dict[StepId, Status], expected: tuple[str, str]) -> None:
    """Any image answers `spec`; skipped steps are reported, and failures take precedence."""
    ended: dict[StepId, Status] = {"build": "ok", "spec": "ok", **states}
    assert steps.whole([Ended(id=step, status=state, reason="why") for step, state in ended.items()]) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("ok", "skipped"), "ok"),
        (("unverified", "ok"), "ok"),
        (("ok", "failed", "skipped"), "failed"),
        (("skipped",), "skipped"),
    ],
)
def test_one_failure_fails_the_whole(states: tuple[Status, ...], expected: str) -> None:
    """And what was skipped does not."""
    assert TrialResult("a", "a", tuple(Ended(id="unit", status=state) for state in states)).status == expected
