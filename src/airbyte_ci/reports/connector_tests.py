"""Formats test results as text with a line per step, as JSON, and as JUnit XML with every test case."""

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from click import style

from airbyte_ci import advice
from airbyte_ci.connector_tests.steps import Case, Ended, TrialResult
from airbyte_ci.outcomes import Outcome
from airbyte_ci.reports import junit, next_step, terminal
from airbyte_ci.text import join_lines, with_id

_COLUMN = 12


def lines(item: TrialResult, *, alone: bool = True) -> str:
    """Returns the connector, its steps, and the last output of failed steps; next commands only if `alone`."""
    text = [f"{terminal.mark(item.status)} {item.name}"]
    for step in item.steps:
        text += _step(step, alone=alone)
    return join_lines(text)


def _step(step: Ended, *, alone: bool) -> Iterator[str]:
    words = step.summary if step.status == "ok" else step.reason or step.summary
    words = with_id(words, step.error_id, is_dim=True)
    took = style(f" · {step.seconds:.1f} s", dim=True) if step.status != "skipped" else ""
    yield f"  {terminal.mark(step.status)} {step.id:<{_COLUMN}}{words}{took}"
    yield from (f"      {line}" for line in step.details)
    if step.advice and (alone or not next_step.is_shared(step.advice)):
        yield f"    {next_step.line(step.advice)}"


def count(items: Sequence[TrialResult]) -> str:
    """Returns the last line: how many passed, and which failed."""
    failed = [item for item in items if item.status == "failed"]
    passed = sum(item.status in ("ok", "unverified") for item in items)
    numbers = [f"{len(items)} connectors: {passed} passed"]
    stopped = sum(item.is_interrupted and item.status != "failed" for item in items)
    numbers += [f"{stopped} interrupted"] if stopped else []
    numbers += [f"{len(failed)} failed: {', '.join(item.name for item in failed)}"] if failed else []
    return " · ".join(numbers)


def next_steps(items: Sequence[TrialResult], *, whole: int = 0) -> str:
    """Returns the next commands, each once for all connectors; `whole` is as in `next_step.merge`."""
    advices = (step.advice for item in items for step in item.steps)
    return join_lines(map(next_step.line, next_step.merge(advices, whole=whole)))


def to_json(item: TrialResult) -> dict[str, Any]:
    """Returns the JSON document of one connector."""
    return {
        "name": item.name,
        "command": "test",
        "folder": item.folder,
        "status": item.status,
        **({"image": item.image} if item.image else {}),
        "seconds": round(sum(step.seconds for step in item.steps), 3),
        "steps": [_step_json(step) for step in item.steps],
    }


def as_outcome(item: TrialResult) -> Outcome:
    """Returns the test as one outcome, with the output of its first failed step: a line for each change."""
    failed = [step for step in item.steps if step.status == "failed"]
    passed = [step.id for step in item.steps if step.status == "ok"]
    first = failed[0] if failed else None
    return Outcome(
        subject=item.name,
        status=item.status,
        summary=f"{', '.join(passed)} ok" if passed else "no step ran",
        reason="; ".join(f"{step.id}: {step.reason or step.summary}" for step in failed),
        advice=first.advice if first else "",
        error_id=first.error_id if first else "",
        details=first.details if first else (),
        facts=to_json(item) | ({"alsoReads": list(item.folders)} if item.folders else {}),
    )


def _step_json(step: Ended) -> dict[str, Any]:
    document: dict[str, Any] = {"id": step.id, "status": step.status, "seconds": round(step.seconds, 3)}
    texts = {"summary": step.summary, "reason": step.reason}
    texts |= {"errorId": step.error_id}
    document |= {key: value for key, value in texts.items() if value} | advice.to_json(step.advice)
    if step.details:
        document["output"] = list(step.details)
    if step.cases:
        document["tests"] = {
            "passed": sum(case.status == "ok" for case in step.cases),
            "failed": sum(case.status == "failed" for case in step.cases),
            "skipped": sum(case.status == "skipped" for case in step.cases),
        }
    return document


def document(items: Sequence[TrialResult], shard: str = "") -> str:
    """Returns the JUnit report: a suite per connector and step. A step without tests is the only case of its suite."""
    suites = [(item, step, step.cases or (_as_case(step),)) for item in items for step in item.steps]
    every = [case for _, _, cases in suites for case in cases]
    name = junit.titled("airbyte-ci connectors test", shard)
    root = ElementTree.Element("testsuites", {"name": name, **_totals(every)})
    for item, step, cases in suites:
        # pytest itself can fail although all tests passed.
        if step.status == "failed" and all(case.status != "failed" for case in cases):
            cases = (*cases, _as_case(step))
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": junit.plain(f"{item.name}.{step.id}"), **_totals(cases)}
        )
        for case in cases:
            _case(suite, f"{item.name}.{step.id}", case)
    return junit.written(root)


def _as_case(step: Ended) -> Case:
    reason = with_id(step.reason, step.error_id)
    message = "\n".join(part for part in (reason, *step.details, step.advice) if part)
    return Case(step.id, "", status=step.status, message=message, seconds=step.seconds)


def _totals(cases: Sequence[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.status == "failed" for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.status in ("skipped", "unverified") for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _case(suite: ElementTree.Element, prefix: str, case: Case) -> None:
    group = f"{prefix}.{case.group}" if case.group else prefix
    attributes = {"name": junit.plain(case.name), "classname": junit.plain(group), "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    first = junit.plain(case.message.partition("\n")[0])
    if case.status == "failed":
        ElementTree.SubElement(element, "failure", {"message": first}).text = junit.plain(case.message)
    elif case.status != "ok":
        skipped = ElementTree.SubElement(element, "skipped", {"message": first})
        if "\n" in case.message:
            skipped.text = junit.plain(case.message)
