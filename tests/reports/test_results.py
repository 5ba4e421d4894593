"""Pages and summaries of results: what the JSON says, the worst first, within GitHub's limits."""

from typing import Any

import html5lib
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airbyte_ci.reports import results, results_page, results_summary
from airbyte_ci.reports.results import ConnectorResult

TEST = {
    "name": "source-a",
    "folder": "connectors/source-a",
    "status": "failed",
    "seconds": 3.5,
    "steps": [
        {"id": "build", "status": "ok", "seconds": 2.0, "summary": "linux/amd64"},
        {
            "id": "unit",
            "status": "failed",
            "seconds": 1.5,
            "reason": "1 of 3 tests failed",
            "output": ["\x1b[31mFAILED\x1b[0m test_a", "```", "assert 1 == 2"],
            "tests": {"passed": 2, "failed": 1, "skipped": 0},
        },
    ],
}
CHECK = {
    "name": "source-b",
    "folder": "connectors/source-b",
    "status": "ok",
    "checks": [
        {"id": "no-dockerfile", "status": "ok", "severity": "error"},
        {
            "id": "changelog-row",
            "status": "failed",
            "severity": "warning",
            "reason": "no row",
            "next": "airbyte-ci connectors --name=source-b bump_version patch 1 'x'",
            "file": "docs/b.md",
            "line": 7,
        },
    ],
}
BUILD = {
    "name": "source-c",
    "status": "ok",
    "platform": "linux/amd64",
    "digest": "sha256:" + "a" * 64,
    "seconds": 0.25,
    "sizes": {"base image": 50_000_000, "packages": 20_000_000, "code": 1000, "customization": 0},
}
BROKEN = {"name": "source-d", "status": "failed", "reason": "no lock file", "details": ["looked in\nthe folder"]}


PUBLISH = {
    "name": "source-e",
    "status": "ok",
    "command": "publish",
    "address": "ghcr.io/acme/source-e:1.0.0@sha256:" + "b" * 64,
    "tag": "1.0.0",
    "platforms": [{"platform": "linux/amd64"}, {"platform": "linux/arm64"}],
    "size": 70_000_000,
    "attachments": [{}, {}, {}],
    "pushed": True,
    "seconds": 1.5,
}


def _parsed(*documents: dict[str, Any]) -> list[ConnectorResult]:
    return [found for document in documents if (found := results.parse(document))]


def test_a_document_is_the_result_of_its_command() -> None:
    """It names its command, or an earlier version's form tells it; warnings are not failures; others are no results."""
    found = _parsed(TEST, CHECK, BUILD, BROKEN, PUBLISH)
    assert [(item.command, item.name, item.state) for item in found] == [
        ("test", "source-a", "failed"),
        ("check", "source-b", "warning"),
        ("build", "source-c", "ok"),
        ("build", "source-d", "failed"),
        ("publish", "source-e", "ok"),
    ]
    assert [part.id for part in found[0].bad] == ["unit"]
    named = _parsed(*({**BROKEN, "command": command} for command in (*results.TITLES, "lock", "campaign run", 1)))
    assert [(item.command, item.state) for item in named] == [(command, "failed") for command in results.TITLES]
    assert _parsed({}, {"name": "a"}, {"name": 1, "status": "ok"}, {"name": "a", "status": "perfect"}) == []


def test_the_page_has_every_connector_and_the_output_of_failures() -> None:
    """Each command has its table, and a link leads from a failed connector to its output."""
    html = results_page.html(_parsed(TEST, CHECK, BUILD, BROKEN, PUBLISH), "airbyte-ci reports merge")
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    heads = ["".join(head.itertext()) for head in tree.iter("th") if head.get("scope") == "row"]
    assert {"source-a", "source-b", "source-c", "source-d", "source-e"} <= set(heads)
    targets = {element.get("id") for element in tree.iter() if isinstance(element.tag, str) and element.get("id")}
    links = {link.get("href").removeprefix("#") for link in tree.iter("a")}
    assert links <= targets and len(links) >= 3
    logs = ["".join(log.itertext()) for log in tree.iter("pre")]
    assert "FAILED test_a\n```\nassert 1 == 2" in logs


def test_the_summary_is_a_table_of_what_is_not_ok() -> None:
    """It has counts, a row for each failure, errors first, output in a fence that it cannot end, and next commands."""
    text = results_summary.markdown(_parsed(CHECK, TEST, BUILD), "airbyte-ci connectors test")
    assert "| source-a | ❌ failed | unit | 1 of 3 tests failed |" in text
    assert "| source-b | ⚠️ warning | changelog-row (docs/b.md:7) | no row |" in text
    assert "````text\nFAILED test_a\n```\nassert 1 == 2\n````" in text
    assert "```sh\nairbyte-ci connectors --name=source-b bump_version patch 1 'x'\n```" in text
    assert "**Builds** of 1: ✅ ok: 1" in text


@pytest.mark.parametrize("mark", ["x", "|", "`", "<b>", "\u202e", "ж"])
def test_a_summary_stays_below_githubs_limit(mark: str) -> None:
    """However long the output of many connectors is, a summary is below a mebibyte, and says that more exists."""
    step = {"id": "unit", "status": "failed", "reason": mark * 400, "output": [mark * 5000] * 50}
    many = [{"name": f"source-{number}", "status": "failed", "steps": [step]} for number in range(600)]
    text = results_summary.markdown(_parsed(*many), "x")
    assert len(text.encode()) < 1_000_000
    assert text.endswith("\nThe rest does not fit here: it is in the reports of this run.\n")
    assert text.count("❌ failed |") > 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9) | st.sampled_from(["ok", "failed"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "status",
                    "steps",
                    "checks",
                    "seconds",
                    "reason",
                    "output",
                    "tests",
                    "passed",
                    "sizes",
                    "line",
                    "id",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)

_KEYS = (
    *("steps", "checks", "seconds", "sizes", "details", "tests", "platform"),
    *("address", "attachments", "platforms", "size", "tag"),
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _JSON), st.sampled_from(["", *results.TITLES]))
@example({"steps": [{"status": []}]}, "")
def test_any_json_can_be_shown(document: dict[str, Any], command: str) -> None:
    """A damaged or hostile document of another job is no reason to fail."""
    found = _parsed({"name": "source-x", "status": "failed", "command": command, **document})
    assert "source-x" in results_page.html(found, "x")
    assert "source-x" in results_summary.markdown(found, "x")
