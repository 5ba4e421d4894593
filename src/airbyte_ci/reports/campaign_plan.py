"""Formats what a campaign would do, as text and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.outcomes import Status
from airbyte_ci.reports import columns

_WORDS: dict[Status, str] = {"ok": "change", "skipped": "none", "failed": "impossible", "unverified": "unknown"}


@dataclass(frozen=True, slots=True)
class PlannedConnector:
    """The wave of one connector, and its change or why there is none."""

    name: str
    wave: str
    status: Status
    summary: str

    def to_json(self) -> dict[str, Any]:
        key = "summary" if self.status == "ok" else "reason"
        return {"name": self.name, "wave": self.wave, "status": self.status, key: self.summary}


def text(campaign: CampaignFile, items: Sequence[PlannedConnector], width: int | None) -> str:
    """Returns a line for each connector in the order of the waves, and the numbers."""
    rows = [("WAVE", "CONNECTOR", "CHANGE", "WHAT")]
    rows += [(item.wave, item.name, _WORDS[item.status], _what(item)) for item in items]
    counts = {status: sum(item.status == status for item in items) for status in _WORDS}
    numbers = [f"{counts['ok']} to change"]
    numbers += [f"{counts['skipped']} without a change"] if counts["skipped"] else []
    numbers += [f"{counts['failed']} impossible"] if counts["failed"] else []
    table = columns.lines(rows, width=width, shorten=(3, 1)) if items else ""
    failed = ((item.name, _what(item)) for item in items if item.status == "failed")
    notes = columns.footnotes(table, failed, width)
    end = "\n" if notes else ""
    return f"{table}{notes}{end}{campaign.name}: {campaign.migration}, {' · '.join(numbers)}\n"


def _what(item: PlannedConnector) -> str:
    return columns.without_name(item.name, item.summary)
