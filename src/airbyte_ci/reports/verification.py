"""Formats the findings of `verify` as text and JSON."""

from collections.abc import Sequence
from typing import Any

from click import style

from airbyte_ci.attest.verification.finding import CHECKS, ImageFinding, is_refused
from airbyte_ci.outcomes import Status
from airbyte_ci.reports import next_step
from airbyte_ci.text import join_lines, with_id

_MARKS: dict[Status, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "failed": ("✗", "red"),
    "unverified": ("!", "yellow"),
    "skipped": ("–", "yellow"),
}


def line(item: ImageFinding, width: int) -> str:
    """Returns the lines of one finding; `width` is that of the longest subject."""
    mark, color = _MARKS[item.status]
    longest = max(map(len, CHECKS))
    found = with_id(item.text, item.error_id, is_dim=True)
    text = f"{style(mark, fg=color)} {item.subject:{width}}  {item.check:{longest}}  {found}"
    return join_lines([text, f"  {next_step.line(item.advice)}"] if item.advice and item.status != "ok" else [text])


def summary(address: str, findings: Sequence[ImageFinding]) -> str:
    """Returns the last line: the address with its digest, and the result."""
    failed = sum(item.status == "failed" for item in findings)
    open_ones = sum(item.status == "unverified" for item in findings)
    if failed:
        result = f"{failed} of {len(findings)} checks failed"
    else:
        result = f"{len(findings) - open_ones} checks passed" + (f", {open_ones} not verified" if open_ones else "")
    return f"{address} · {result}"


def to_json(address: str, digest: str, findings: Sequence[ImageFinding]) -> dict[str, Any]:
    """Returns the JSON document; `ok` is whether no check failed."""
    return {
        "image": address,
        "digest": digest,
        "ok": not is_refused(findings),
        "checks": [item.to_json() for item in findings],
    }
