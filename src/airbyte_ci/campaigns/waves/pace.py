"""Decides how many pull requests a run may open now: the window, the rate, and GitHub's own limits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airbyte_ci.campaigns.waves.campaign_file import DAYS, CampaignFile, Rate
from airbyte_ci.campaigns.waves.state import CampaignState, ConnectorState

FIRST_WINDOW = 2
# A pull request takes up to five requests that create content, and GitHub accepts 500 of them in an hour:
# https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
MOST_PER_HOUR = 90


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many pull requests may be opened now, and why not more."""

    number: int
    reason: str


def allow(campaign: CampaignFile, state: CampaignState) -> Allowance:
    """Returns the number of pull requests to open at the state's time; the tightest limit is the reason."""
    if not is_open_time(campaign.rate, state.time):
        return Allowance(0, f"outside of the hours of {campaign.path}")
    window = min(window_of(state.connectors), campaign.rate.open)
    waiting = sum(item.state == "in-pr" for item in state.connectors)
    today, hour = (opened_within(state, timedelta(hours=hours)) for hours in (24, 1))
    limits = (
        Allowance(window - waiting, f"{waiting} of at most {window} pull requests are open"),
        Allowance(campaign.rate.per_day - today, f"{today} of {campaign.rate.per_day} were opened in 24 hours"),
        Allowance(MOST_PER_HOUR - hour, "GitHub limits the number of requests"),
    )
    tightest = min(limits, key=lambda item: item.number)
    return Allowance(max(0, tightest.number), tightest.reason)


def opened_within(state: CampaignState, time: timedelta) -> int:
    """Returns how many pull requests were opened within a time, those that revert others included."""
    pulls = [item.pull for item in state.connectors if item.pull]
    return sum(bool(pull.created and pull.created > state.time - time) for pull in pulls)


def window_of(items: Iterable[ConnectorState]) -> int:
    """Returns how many pull requests may be open: each that was merged adds one, and each failure halves them.

    There are never fewer than at the beginning.

    This is the slow start of TCP (RFC 5681): a bad change stops early, a good one soon moves at full speed. It follows
    from the order of the events alone, so each run computes the same.
    """
    window = FIRST_WINDOW
    events = [(item.since, item.is_failure) for item in items if (item.is_done and item.pull) or item.is_failure]
    for _, is_failure in sorted(events):
        window = max(FIRST_WINDOW, window // 2) if is_failure else window + 1
    return window


def is_open_time(rate: Rate, time: datetime) -> bool:
    """Returns whether pull requests may be opened at this time of the week."""
    local = time.astimezone(ZoneInfo(rate.zone))
    if DAYS[local.weekday()] not in rate.days:
        return False
    return rate.hours is None or rate.hours[0] <= local.hour < rate.hours[1]
