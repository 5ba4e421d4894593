"""The id of an error in every report about it."""

from airbyte_ci.checks.all_checks import RULES
from airbyte_ci.checks.rule import Checked, RuleFinding, failed, unverified_by
from airbyte_ci.connector_tests.steps import Ended, TrialResult
from airbyte_ci.doctor.check import MachineCheck
from airbyte_ci.error_pages import PAGES
from airbyte_ci.errors import ConnectorError, LockError
from airbyte_ci.outcomes import failure
from airbyte_ci.reports import annotations, checks, connector_tests, doctor, publish, results, sarif, terminal

ERROR = LockError("source-x: no lock", advice="airbyte-ci connectors lock", error_id="lock-missing")
STEP = Ended(id="build", status="failed", reason=ERROR.message, advice=ERROR.advice or "", error_id=ERROR.error_id)
TESTED = TrialResult("source-x", "connectors/source-x", (STEP,))


def test_an_error_keeps_the_id_of_its_cause() -> None:
    """Code that only adds to a message repeats no id; an id of its own wins."""
    for error_id, expected in (("", "lock-missing"), ("no-wheel", "no-wheel")):
        try:
            try:
                raise ERROR
            except LockError as error:
                raise ConnectorError(f"trying: {error.message}", error_id=error_id) from error
        except ConnectorError as error:
            assert error.error_id == expected
    assert ConnectorError("x").error_id == ""


def test_text_has_it_after_the_first_line() -> None:
    """Quoted lines follow, and the advice stays a command to copy."""
    quoted = LockError("source-x: no lock\n    quoted", advice=ERROR.advice, error_id="lock-missing")
    shown = terminal.outcome(failure("source-x", quoted))
    assert "source-x: no lock \x1b[2m[lock-missing]\x1b[0m\n    quoted\n" in shown
    assert terminal.outcome(failure("source-x", ERROR)).endswith(" airbyte-ci connectors lock")
    assert "source-x: no lock \x1b[2m[lock-missing]\x1b[0m" in connector_tests.lines(TESTED)


def test_json_has_it_as_a_value() -> None:
    """Outcomes and steps have it; those without an error have none."""
    assert failure("source-x", ERROR).to_json("build")["errorId"] == "lock-missing"
    assert "errorId" not in failure("source-x", ConnectorError("x")).to_json("build")
    assert connector_tests.to_json(TESTED)["steps"][0]["errorId"] == "lock-missing"


def test_junit_has_it() -> None:
    """As the type of a failed publication, and in the message of a failed step."""
    assert 'message="source-x: no lock" type="lock-missing"' in publish.document([failure("source-x", ERROR)])
    assert 'message="source-x: no lock [lock-missing]"' in connector_tests.document([TESTED])


def test_pages_summaries_and_annotations_have_it() -> None:
    """They show the JSON, of builds and of tests."""
    documents = (failure("source-x", ERROR).to_json("build"), connector_tests.to_json(TESTED))
    for document in documents:
        result = results.parse(document)
        assert result is not None
        assert result.bad[0].text == "source-x: no lock [lock-missing]"
        assert "source-x: no lock [lock-missing]" in annotations.commands([result])


def test_checks_have_it() -> None:
    """A violated rule has it in its message; SARIF also explains the errors that prevented a check, and only these."""
    violated = RuleFinding(RULES[0], "error", failed("no lock", "", error_id="lock-missing"))
    unanswered = ConnectorError("no answer", error_id="registry-unreachable")
    prevented = RuleFinding(RULES[1], "error", unverified_by(unanswered))
    item = Checked("source-x", "c/source-x", (violated, prevented))
    run = sarif.document([item], RULES)["runs"][0]
    (result,) = run["results"]
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert result["message"]["text"] == "source-x: no lock [lock-missing]"
    assert result["properties"] == {"errorId": "lock-missing"}
    assert notification["descriptor"] == {"id": "registry-unreachable"}
    assert "no answer [registry-unreachable]" in notification["message"]["text"]
    (described,) = run["tool"]["driver"]["notifications"]
    assert described["id"] == "registry-unreachable"
    assert described["shortDescription"]["text"] == PAGES["registry-unreachable"].title
    assert [found.get("errorId") for found in checks.to_json(item)["checks"]] == [
        "lock-missing",
        "registry-unreachable",
    ]
    shown = checks.lines([item])
    assert "no lock \x1b[2m[lock-missing]" in shown
    assert "no answer \x1b[2m[registry-unreachable]" in shown
    result_of_all = results.parse(checks.to_json(item))
    assert result_of_all
    assert "no lock [lock-missing]" in annotations.commands([result_of_all])


def test_doctor_has_it() -> None:
    """The report of this machine shows it after the finding, and JSON as a value; checks without one have no key."""
    items = [
        MachineCheck(name="registry x", status="limited", told="no answer", error_id="registry-unreachable"),
        MachineCheck(name="git", status="ok", told="git 2"),
    ]
    assert "no answer \x1b[2m[registry-unreachable]" in doctor.lines(items)
    assert [item.get("errorId") for item in doctor.to_json(items)["checks"]] == ["registry-unreachable", None]
