"""Formats the findings of `doctor` as text and JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from click import style

from airbyte_ci.doctor.check import MachineCheck
from airbyte_ci.reports import next_step
from airbyte_ci.text import join_lines, with_id

_MARKS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "limited": ("!", "yellow"), "untried": ("–", "yellow")}


def lines(items: Sequence[MachineCheck], *, quiet: bool = False) -> str:
    """Returns a line per item, followed by the consequence and the fix if it is missing, and a summary line."""
    width = max(len(item.name) for item in items)
    text = []
    for item in items:
        if quiet and item.status == "ok":
            continue
        mark, color = _MARKS[item.status]
        text.append(f"{style(mark, fg=color)} {item.name:{width}}  {with_id(item.told, item.error_id, is_dim=True)}")
        text += [f"  {item.cost}"] if item.cost else []
        text += [f"  {next_step.line(item.advice)}"] if item.advice and item.status != "ok" else []
    missing, limited = (sum(item.status == kind for item in items) for kind in ("missing", "limited"))
    verdict = f"{missing} missing" if missing else "this machine can build"
    return join_lines([*text, f"{len(items)} items checked: {verdict}{f' · {limited} with limits' if limited else ''}"])


def to_json(items: Sequence[MachineCheck]) -> dict[str, Any]:
    """Returns the JSON document: `ok` is whether nothing required is missing; `next` is the fix of an item."""
    checks = []
    for item in items:
        document = asdict(item)
        document["next"] = document.pop("advice")
        if error_id := document.pop("error_id"):
            document["errorId"] = error_id
        checks.append(document)
    return {"ok": all(item.status != "missing" for item in items), "checks": checks}
