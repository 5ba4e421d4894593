"""Formats the results of `check` as text and JSON: the six points in one line, and a fix for each failure."""

from collections.abc import Iterator, Sequence
from typing import Any

from click import style

from airbyte_ci import advice
from airbyte_ci.checks.rule import Checked, RuleFinding
from airbyte_ci.reports import next_step
from airbyte_ci.text import join_lines, plural, with_id

# From the worst to the best; a mark for several findings shows the worst.
_MARKS = {"error": "✗", "warning": "!", "unverified": "?", "ok": "✓", "skipped": "–"}
_COLORS = {"error": "red", "warning": "yellow", "unverified": "yellow", "ok": "green"}


def lines(items: Sequence[Checked], *, quiet: bool = False, whole: int = 0) -> str:
    """Returns the text. For several connectors, unverified rules and next commands are joined at the end.

    `quiet` leaves out connectors without a failure; `whole` is the number of connectors of `--all`, if it was used.
    """
    width = max((len(item.name) for item in items), default=0)
    shown = [item for item in items if not quiet or _failures(item)]
    text = [line for item in shown for line in _connector(item, width, alone=len(items) == 1)]
    if len(items) > 1:
        text += [] if quiet else _unverified(items)
        text.append(count(items))
        text += map(next_step.line, next_step.merge(_steps(shown), whole=whole))
    return join_lines(text)


def count(items: Sequence[Checked]) -> str:
    """Returns the last line: how many connectors have errors, warnings, or neither."""
    errors = [sum(finding.is_error for finding in item.findings) for item in items]
    warnings = [sum(finding.is_warning for finding in item.findings) for item in items]
    clean = sum(not error and not warning for error, warning in zip(errors, warnings, strict=True))
    numbers = [f"{len(items)} connectors: {clean} without a failure"]
    return " · ".join([*numbers, *_count(errors, "error"), *_count(warnings, "warning")])


def to_json(item: Checked) -> dict[str, Any]:
    """Returns the JSON document of a connector: the status of its points, and every check."""
    points = sorted({finding.rule.point for finding in item.findings} - {0})
    return {
        "name": item.name,
        "command": "check",
        "folder": item.folder,
        "status": item.status,
        "points": {str(point): _worst([f for f in item.findings if f.rule.point == point]) for point in points},
        "checks": [_finding(finding) for finding in item.findings],
        **({"notes": list(item.notes)} if item.notes else {}),
    }


def _finding(finding: RuleFinding) -> dict[str, Any]:
    verdict, rule = finding.verdict, finding.rule
    document = {"id": rule.id, "point": rule.point, "status": verdict.status, "severity": finding.severity}
    if verdict.reason:
        document["reason"] = verdict.reason
    if verdict.error_id:
        document["errorId"] = verdict.error_id
    document |= advice.to_json(verdict.advice)
    if verdict.place:
        document["file"] = verdict.place.path
        document |= {"line": verdict.place.line} if verdict.place.line else {}
    return document


def _connector(item: Checked, width: int, *, alone: bool) -> Iterator[str]:
    yield f"{_mark(_worst(item.findings))} {item.name:<{width}}{''.join(_points(item))}"
    yield from (f"  {_mark('warning')} {note}" for note in item.notes)
    shown = _failures(item)
    shown += [finding for finding in item.findings if alone and (finding.is_unverified or _is_known(finding))]
    column = max((len(finding.rule.id) for finding in shown), default=0)
    for finding, following in zip(shown, [*shown[1:], None], strict=False):
        verdict = finding.verdict
        reason = with_id(verdict.reason, verdict.error_id, is_dim=True)
        yield f"  {_mark(_state(finding))} {finding.rule.id:<{column}}  {reason}"
        # One command often fixes several rules; it is printed once, below the last of them.
        if not verdict.advice or (following and following.verdict.advice == verdict.advice):
            continue
        if alone or not next_step.is_shared(verdict.advice):
            yield f"    {next_step.line(verdict.advice)}"


def _steps(items: Sequence[Checked]) -> Iterator[str]:
    for item in items:
        yield from (finding.verdict.advice for finding in _failures(item))


def _points(item: Checked) -> Iterator[str]:
    """Yields a mark per label, after the number of a new point: `1 no Dockerfile ✓`, `5 built ✓ tested –`."""
    groups: dict[tuple[int, str], list[RuleFinding]] = {}
    for finding in item.findings:
        groups.setdefault((finding.rule.point, finding.rule.label), []).append(finding)
    last = -1
    for (point, label), findings in groups.items():
        number = "" if point == last else f" {point} " if point else " "
        yield f" {number}{label} {_mark(_worst(findings))}"
        last = point


def _failures(item: Checked) -> list[RuleFinding]:
    """Returns the failed findings, errors before warnings."""
    failed = [finding for finding in item.findings if finding.verdict.status == "failed"]
    return sorted(failed, key=lambda finding: not finding.is_error)


def _is_known(finding: RuleFinding) -> bool:
    """Returns whether a finding is ok and has details, such as what ran and when."""
    return finding.verdict.status == "ok" and bool(finding.verdict.reason)


def _worst(findings: Sequence[RuleFinding]) -> str:
    states = {_state(finding) for finding in findings}
    return next((state for state in _MARKS if state in states), "skipped")


def _state(finding: RuleFinding) -> str:
    return finding.severity if finding.verdict.status == "failed" else finding.verdict.status


def _mark(state: str) -> str:
    color = _COLORS.get(state)
    return style(_MARKS[state], fg=color) if color else style(_MARKS[state], dim=True)


def _unverified(items: Sequence[Checked]) -> Iterator[str]:
    """Yields, by rule and reason, how many connectors are not verified."""
    reasons: dict[tuple[str, str], int] = {}
    for item in items:
        for finding in item.findings:
            if finding.is_unverified:
                key = finding.rule.id, finding.verdict.reason
                reasons[key] = reasons.get(key, 0) + 1
    for (name, reason), number in reasons.items():
        yield f"{_mark('unverified')} {name} not verified for {number}: {reason}"


def _count(numbers: Sequence[int], noun: str) -> list[str]:
    total, connectors = sum(numbers), sum(map(bool, numbers))
    return [f"{plural(total, noun)} in {connectors}"] if total else []
