"""Checked connectors in the formats that CI systems read, with any text."""

import json
import re
from collections.abc import Sequence
from urllib.parse import unquote
from xml.etree import ElementTree

from click import unstyle
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from airbyte_ci.checks.all_checks import RULES
from airbyte_ci.checks.rule import OK, Checked, Location, RuleFinding, failed, inapplicable, unverified
from airbyte_ci.reports import annotations, checks, junit, results, sarif
from airbyte_ci.reports.results import ConnectorResult
from airbyte_ci.text import disarm_old, escape_lines

ERROR = RuleFinding(
    RULES[0], "error", failed("it's <broken> & 100 %,\nreally: yes", "mend 'it'", Location("a b/é,x:y.yaml", 7))
)
WARNING = RuleFinding(RULES[1], "warning", failed("old", "new", Location("c/metadata.yaml")))
UNKNOWN = RuleFinding(RULES[2], "error", unverified("offline"))
SILENT = RuleFinding(RULES[3], "error", inapplicable("no base image"))
FINE = RuleFinding(RULES[4], "error", OK)
ITEMS = [Checked("source-x", "c/source-x", (FINE, WARNING, ERROR, UNKNOWN, SILENT)), Checked("source-y", "y", (FINE,))]

# The keys that SARIF 2.1.0 requires of the written parts (sections 3.13 to 3.58), no further ones.
_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_INDEX = {"type": "integer", "minimum": -1}


def _object(required: str, **properties: object) -> dict[str, object]:
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


def _list(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}


_RULE = _object(
    "id",
    id={"type": "string"},
    name={"type": "string", "pattern": "^[A-Za-z0-9]+$"},
    shortDescription=_TEXT,
    fullDescription=_TEXT,
    help=_TEXT,
    helpUri={"type": "string", "format": "uri"},
    defaultConfiguration=_object("level", level=_LEVEL),
)
_LOCATION = _object(
    "physicalLocation",
    physicalLocation=_object(
        "artifactLocation",
        artifactLocation=_object(
            "uri", uri={"type": "string", "pattern": r"^[A-Za-z0-9._~/%-]+$"}, uriBaseId={"type": "string"}
        ),
        region=_object("startLine", startLine={"type": "integer", "minimum": 1}),
    ),
)
_RESULT = _object(
    "message",
    ruleId={"type": "string"},
    ruleIndex=_INDEX,
    level=_LEVEL,
    message=_TEXT,
    locations=_list(_LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    properties={"type": "object"},
)
_NOTIFICATION = _object(
    "message", level=_LEVEL, message=_TEXT, associatedRule=_object("", id={"type": "string"}, index=_INDEX)
)
_RUN = _object(
    "tool",
    tool=_object(
        "driver",
        driver=_object("name", name={"type": "string"}, semanticVersion={"type": "string"}, rules=_list(_RULE)),
    ),
    invocations=_list(
        _object(
            "executionSuccessful",
            executionSuccessful={"type": "boolean"},
            toolExecutionNotifications=_list(_NOTIFICATION),
        )
    ),
    originalUriBaseIds={"type": "object", "propertyNames": {"pattern": "^[A-Z%]+$"}},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT),
)
SARIF = {
    **_object("version runs", version={"const": "2.1.0"}, runs=_list(_RUN)),
    "properties": {"$schema": {"type": "string"}, "version": {"const": "2.1.0"}, "runs": _list(_RUN)},
}


def test_sarif_is_what_its_specification_asks_for() -> None:
    """Failures are results of known rules with a place; unverified checks are notifications."""
    document = json.loads(json.dumps(sarif.document(ITEMS, RULES, "top/")))
    Draft7Validator(SARIF).validate(document)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [rule.id for rule in RULES]
    levels = {}
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        levels[result["ruleId"]] = result["level"]
    assert levels == {RULES[0].id: "error", RULES[1].id: "warning"}
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert unquote(place["artifactLocation"]["uri"]) == "top/a b/é,x:y.yaml"
    assert place["region"]["startLine"] == 7
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["associatedRule"]["id"] == RULES[2].id


def test_a_result_keeps_its_fingerprint_when_its_line_and_wording_change() -> None:
    """Code scanning knows by it that a problem is still the same one, and that another connector's is another."""

    def fingerprint(folder: str, line: int, reason: str) -> str:
        finding = RuleFinding(RULES[0], "error", failed(reason, "", Location("x", line)))
        (run,) = sarif.document([Checked("x", folder, (finding,))], RULES)["runs"]
        return str(run["results"][0]["partialFingerprints"])

    assert fingerprint("a", 1, "one") == fingerprint("a", 2, "two") != fingerprint("b", 1, "one")


def test_junit_counts_what_the_exit_code_says() -> None:
    """Errors fail, warnings pass with their text, the rest is skipped; totals agree with the cases."""
    root = ElementTree.fromstring(junit.document(ITEMS, "top/"))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("skipped")) == ("testsuites", "6", "1", "2")
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["source-x", "source-y"]
    for suite in suites:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None and failure.get("message") == ERROR.verdict.reason
    assert failure.text == f"{ERROR.verdict.reason}\n{ERROR.verdict.advice}"
    warned = root.find("testsuite/testcase/system-out")
    assert warned is not None and warned.text == "warning: old\nnew"


def _results(items: Sequence[Checked]) -> list[ConnectorResult]:
    return [found for item in items if (found := results.parse(checks.to_json(item)))]


def test_annotations_are_no_more_than_github_shows() -> None:
    """Ten of a kind at most, the errors first; the last one counts those that are left out."""
    findings = tuple(
        RuleFinding(RULES[0], severity, failed("x", "")) for severity in ("warning",) * 10 + ("error",) * 12
    )
    lines = annotations.commands(_results([Checked("source-x", "x", findings)])).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 10 + ["::warning"] * 10
    assert lines[9] == "::error title=airbyte-ci::3 more errors are in the log and the summary of this run"


def test_annotations_come_with_the_errors_first() -> None:
    """GitHub shows ten of a kind; those that fail the job must be among them."""
    lines = annotations.commands(_results(ITEMS), "top/").splitlines()
    assert lines == [
        "::error file=top/a b/é%2Cx%3Ay.yaml,line=7,title=source-x%3A no-dockerfile::"
        "it's <broken> & 100 %25,%0Areally: yes%0Amend 'it'",
        "::warning file=top/c/metadata.yaml,title=source-x%3A base-image-used::old%0Anew",
    ]


# The runner's side: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_COMMAND = re.compile(r"::(?P<kind>[a-z]+) (?P<properties>[^:]*)::(?P<data>.*)")
_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def _unescaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for escaped, plain in escapes:
        text = text.replace(escaped, plain)
    return text


def _shown(text: str) -> str:
    """The same text, with unprintable characters and the log's own commands escaped."""
    return disarm_old(escape_lines(text))


@given(_TEXTS, _TEXTS.filter(bool), _TEXTS)
def test_any_text_survives_its_format(reason: str, path: str, name: str) -> None:
    """GitHub's runner, an XML parser and JSON read back what was meant; no text begins a command."""
    finding = RuleFinding(RULES[0], "error", failed(reason, "", Location(path, 1)))
    item = Checked(name, "folder", (finding,))
    text = annotations.commands(_results([item]))
    assert text.endswith("\n") and "\n" not in text[:-1] and "\r" not in text
    found = _COMMAND.fullmatch(text[:-1])
    assert found is not None
    properties = dict(pair.split("=", 1) for pair in found["properties"].split(","))
    assert _unescaped(properties["file"], _ESCAPES) == _shown(path)
    assert _unescaped(properties["title"], _ESCAPES) == f"{_shown(name)}: {RULES[0].id}"
    data = (*_ESCAPES[:2], _ESCAPES[4])
    assert _unescaped(found["data"], data) == _shown(reason)
    ElementTree.fromstring(junit.document([item]))
    Draft7Validator(SARIF).validate(json.loads(json.dumps(sarif.document([item], RULES))))


def test_several_connectors_are_counted_and_the_unverified_told_once() -> None:
    """No line for each connector whose registry was not queried; --quiet shows only failures."""
    items = [ITEMS[0], Checked("source-z", "z", (UNKNOWN,)), ITEMS[1]]
    text = unstyle(checks.lines(items)).splitlines()
    assert text[-2:] == [
        "? base-image-address not verified for 2: offline",
        "3 connectors: 2 without a failure · 1 error in 1 · 1 warning in 1",
    ]
    assert not any("source-y" in line for line in checks.lines(items, quiet=True).splitlines())
