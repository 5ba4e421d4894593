"""The connectors of a campaign, and the wave of each."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def divide(campaign: CampaignFile, connectors: Sequence[Connector], select: Select) -> Membership:
    """Divides the selected connectors into waves. Raises UsageError for an unknown name, and QueryError.

    Within a wave, and where a wave takes only a share, the order is that of a hash of the names: it is stable and does
    not prefer the beginning of the alphabet.
    """
    _refuse_unknown(campaign, connectors)
    selected = select(connectors, campaign.select) if campaign.select else connectors
    left = sorted(selected, key=lambda item: _order(campaign.name, item.name))
    total = len(left)
    # A named connector belongs to its wave, even if an earlier wave would select it.
    named = {name for wave in campaign.waves for name in wave.connectors}
    members: list[CampaignMember] = []
    waves = [*campaign.waves, *([] if any(map(_takes_all, campaign.waves)) else [Wave(name=REST)])]
    for wave in waves:
        if wave.connectors:
            taken = [item for item in left if item.name in wave.connectors]
        else:
            free = [item for item in left if item.name not in named]
            taken = list(select(free, wave.select)) if wave.select else free
            taken = taken[: _limit(wave, total)]
        members += [CampaignMember(item, wave.name) for item in taken]
        names = {item.name for item in taken}
        left = [item for item in left if item.name not in names]
    with_members = {item.wave for item in members}
    return Membership(tuple(members), tuple(wave for wave in waves if wave.name in with_members))


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
