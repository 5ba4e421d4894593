"""The moon's main tide (M2): when the water is high or low, and how high it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

HALF_PERIOD = timedelta(hours=12.4206012) / 2


def waters(first_high: datetime, mean_m: float, amplitude_m: float, days: int) -> Iterator[dict[str, Any]]:
    """Yield high and low waters in turn, from a known high water on."""
    moment = first_high
    sign = 1
    while moment < first_high + timedelta(days=days):
        height = round(mean_m + sign * amplitude_m, 2)
        kind = "high" if sign > 0 else "low"
        yield {"at": moment.isoformat(timespec="seconds"), "kind": kind, "height_m": height}
        moment += HALF_PERIOD
        sign = -sign
