"""The connectors of a campaign, and the wave of each."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from airbyte_ci.campaigns.waves.campaign_file import REST, CampaignFile, Wave
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError

Select = Callable[[Sequence[Connector], str], Sequence[Connector]]
"""Returns the connectors that a metadata query selects."""


@dataclass(frozen=True, slots=True)
class CampaignMember:
    """A selected connector, and its wave."""

    connector: Connector
    wave: str

    @property
    def name(self) -> str:
        return self.connector.name


@dataclass(frozen=True, slots=True)
class Membership:
    """All members in the order of their waves, and the waves that have members."""

    members: tuple[CampaignMember, ...]
    waves: tuple[Wave, ...]

    def has(self, name: str) -> bool:
        return any(item.name == name for item in self.members)

    def of(self, wave: str) -> tuple[CampaignMember, ...]:
        return tuple(item for item in self.members if item.wave == wave)


def divide(
    campaign: CampaignFile, connectors: Sequence[Connector], select: Select, begun: Mapping[str, str]
) -> Membership:
    """Divides the selected connectors into waves. Raises UsageError for an unknown name, and QueryError.

    `begun` maps connectors on which the campaign has begun to their waves (empty if that is not known): they stay
    members of these, although the query may not select them any more, because the campaign has changed them.

    Within a wave, and where a wave takes only a share, the order is that of a hash of the names: it is stable and does
    not prefer the beginning of the alphabet.
    """
    _refuse_unknown(campaign, connectors)
    selected = {item.name for item in (select(connectors, campaign.select) if campaign.select else connectors)}
    left = [item for item in connectors if item.name in selected or item.name in begun]
    left.sort(key=lambda item: _order(campaign.name, item.name))
    total = len(left)
    waves = [*campaign.waves, *([] if any(map(_takes_all, campaign.waves)) else [Wave(name=REST)])]
    # A named connector belongs to its wave, even if an earlier wave would select it.
    fixed = {name: wave for name, wave in begun.items() if wave in {item.name for item in waves}}
    fixed |= {name: wave.name for wave in campaign.waves for name in wave.connectors}
    members: list[CampaignMember] = []
    for wave in waves:
        taken = [item for item in left if fixed.get(item.name) == wave.name]
        if not wave.connectors:
            free = [item for item in left if item.name not in fixed]
            chosen = list(select(free, wave.select)) if wave.select else free
            limit = _limit(wave, total)
            taken += chosen if limit is None else chosen[: max(0, limit - len(taken))]
        members += [CampaignMember(item, wave.name) for item in taken]
        names = {item.name for item in taken}
        left = [item for item in left if item.name not in names]
    with_members = {item.wave for item in members}
    return Membership(tuple(members), tuple(wave for wave in waves if wave.name in with_members))


def find_oddities(campaign: CampaignFile, membership: Membership, today: date) -> Iterator[str]:
    """Yields what is allowed in a campaign file, and probably not meant."""
    if not membership.members:
        yield "its query selects no connector" if campaign.select else "the repository has no connector"
    yield from find_unselected(campaign, membership)
    for item in campaign.exclusions:
        if not item.is_active(today):
            yield f"the exclusion of {item.connector} ended on {item.until}"


def find_unselected(campaign: CampaignFile, membership: Membership) -> Iterator[str]:
    """Yields named connectors that are in no wave, because the campaign's query does not select them."""
    members = {item.name for item in membership.members}
    for wave in campaign.waves:
        for name in wave.connectors:
            if name not in members:
                yield f"wave {wave.name} names {name}, which the campaign's query does not select"


def _takes_all(wave: Wave) -> bool:
    return wave.name == REST or not (wave.connectors or wave.select or wave.share is not None or wave.size)


def _limit(wave: Wave, total: int) -> int | None:
    limits = [] if wave.size is None else [wave.size]
    limits += [] if wave.share is None else [max(1, round(wave.share * total))]
    return min(limits, default=None)


def _refuse_unknown(campaign: CampaignFile, connectors: Sequence[Connector]) -> None:
    known = {item.name for item in connectors}
    named = [(name, f"wave {wave.name}") for wave in campaign.waves for name in wave.connectors]
    named += [(item.connector, "exclude") for item in campaign.exclusions]
    for name, place in named:
        if name not in known:
            raise UsageError(
                f"{campaign.path}: {place} names {name!r}, which is not a connector of this repository",
                advice="airbyte-ci connectors list",
            )


def _order(campaign: str, name: str) -> bytes:
    return hashlib.sha256(f"{campaign}\0{name}".encode()).digest()
