"""Tests as JSON and JUnit: every case and every step, as what it is."""

from xml.etree import ElementTree

from airbyte_ci.connector_tests.steps import Case, Ended, TrialResult
from airbyte_ci.reports import connector_tests

CASES = (
    Case("test_a", "unit_tests.test_x", "ok", seconds=0.5),
    Case("test_b", "unit_tests.test_x", "failed", "assert 1 == 2\nmore \x00 text"),
    Case("test_c", "unit_tests.test_x", "skipped", "not here"),
)
ITEM = TrialResult(
    "source-a",
    "connectors/source-a",
    (
        Ended(id="build", status="ok", summary="linux/amd64", seconds=2),
        Ended(id="unit", status="failed", reason="1 failed", details=("printed",), cases=CASES),
        Ended(id="integration", status="failed", reason="pytest broke", cases=CASES[:1]),
        Ended(id="check", status="skipped", reason="no configuration"),
    ),
)


def test_junit_has_every_case_and_every_step() -> None:
    """A suite for each step with its own tests, or the step as its case; a failure outside of the tests is one more."""
    root = ElementTree.fromstring(connector_tests.document([ITEM]))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("6", "1", "2")
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [f"source-a.{step}" for step in ("build", "unit", "integration", "check")]
    kinds = [[child.tag for child in case] for case in suites["source-a.unit"]]
    assert kinds == [[], ["failure"], ["skipped"]]
    failure = suites["source-a.unit"][1][0]
    assert (failure.get("message"), failure.text) == (
        "assert 1 == 2",
        "assert 1 == 2\nmore \\x00 text",
    )
    assert [case.get("name") for case in suites["source-a.integration"]] == ["test_a", "integration"]
    assert suites["source-a.integration"].get("failures") == "1"
    assert suites["source-a.check"][0][0].get("message") == "no configuration"


def test_json_has_every_step() -> None:
    """With the numbers of its tests and what it printed."""
    document = connector_tests.to_json(ITEM)
    assert (document["status"], [step["id"] for step in document["steps"]]) == (
        "failed",
        ["build", "unit", "integration", "check"],
    )
    assert document["steps"][1]["tests"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert document["steps"][1]["output"] == ["printed"]
    assert document["steps"][3] == {"id": "check", "status": "skipped", "seconds": 0, "reason": "no configuration"}
