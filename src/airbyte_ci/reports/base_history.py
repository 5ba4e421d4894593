"""Formats how many connectors were on which base image over time, as text and as JSON."""

from collections.abc import Sequence
from typing import Any

from airbyte_ci.campaigns.waves.base_history import NONE, HistoryDay
from airbyte_ci.reports import columns

_MOST = 5
_BAR = 20


def series(points: Sequence[HistoryDay]) -> list[str]:
    """Returns the base images with most connectors at any time, in the order of their versions; then the others."""
    peaks: dict[str, int] = {}
    for point in points:
        for name, count in point.counts.items():
            peaks[name] = max(peaks.get(name, 0), count)
    last = points[-1].counts if points else {}
    ranked = sorted(peaks, key=lambda name: (-last.get(name, 0), -peaks[name], name))[:_MOST]
    return sorted(ranked, key=lambda name: (name == NONE, name))


def text(points: Sequence[HistoryDay], width: int | None) -> str:
    """Returns a row for each day, with a bar of all connectors that have a base image."""
    names = series(points)
    most = max((sum(point.counts.values()) for point in points), default=1)
    rows = [("DAY", *(name.rpartition(":")[2] or name for name in names), "OTHERS", "WITH A BASE IMAGE")]
    for point in points:
        total = sum(point.counts.values())
        counts = [point.counts.get(name, 0) for name in names]
        based = total - point.counts.get(NONE, 0)
        bar = "█" * round(_BAR * based / most)
        rows.append(
            (point.day.isoformat(), *map(_shown, counts), _shown(total - sum(counts)), f"{based} of {total} {bar}")
        )
    return columns.lines(rows, width=width)


def _shown(count: int) -> str:
    return str(count) if count else "–"


def to_json(points: Sequence[HistoryDay]) -> list[dict[str, Any]]:
    return [
        {"day": point.day.isoformat(), "commit": point.commit, "connectors": dict(sorted(point.counts.items()))}
        for point in points
    ]
