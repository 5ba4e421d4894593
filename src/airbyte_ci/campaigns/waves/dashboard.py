"""The GitHub issue of a campaign: its status, and tick boxes that the next run reads as commands.

A hidden comment behind each box names its command, so people may change the words around it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.campaigns.waves.members import Membership
from airbyte_ci.campaigns.waves.state import CampaignState

# GitHub accepts 65,536 characters.
_LONGEST = 60_000
_BOX = re.compile(
    r"^[ \t]*[-*] \[(?P<tick>[ xX])\] <!-- airbyte-ci do=(?P<do>[a-z]{1,20})(?: (?P<subject>[\w.-]{1,200}))? -->",
    re.MULTILINE,
)
_MARK = "<!-- airbyte-ci campaign={name} -->"
_END = "<!-- /airbyte-ci campaign -->"


@dataclass(frozen=True, slots=True)
class Commands:
    """The boxes that are ticked. `is_held`, `started` and `is_reverted` apply as long as their box is ticked."""

    is_held: bool = False
    is_reverted: bool = False
    started: frozenset[str] = frozenset()
    retried: frozenset[str] = frozenset()


def is_of(campaign: CampaignFile, body: str) -> bool:
    """Returns whether the issue is this campaign's, so that no other issue is ever overwritten."""
    return _MARK.format(name=campaign.name) in body


def read(body: str) -> Commands:
    """Returns the ticked commands of an issue's body."""
    ticked = [(found["do"], found["subject"] or "") for found in _BOX.finditer(body) if found["tick"] != " "]
    return Commands(
        ("hold", "") in ticked,
        ("revert", "") in ticked,
        frozenset(subject for do, subject in ticked if do == "start" and subject),
        frozenset(subject for do, subject in ticked if do == "retry" and subject),
    )


def write(
    campaign: CampaignFile,
    membership: Membership,
    state: CampaignState,
    commands: Commands,
    status: str,
    present: str = "",
) -> str:
    """Returns the issue's body: boxes first, then `status` in Markdown, as far as it fits.

    Of the `present` body, the text in front of airbyte-ci's part and behind it is kept: people wrote it.
    """
    before, _, rest = present.replace("\r\n", "\n").partition(_MARK.format(name=campaign.name))
    after = rest.partition(_END)[2]
    head = [_MARK.format(name=campaign.name), "", *_boxes(membership, state, commands), ""]
    text = before + "\n".join(head)
    room = max(0, _LONGEST - len(text) - len(after))
    if len(status) > room:
        status = status[:room].rpartition("\n")[0] + "\n\n… more is shown by `airbyte-ci campaign status`\n"
    return f"{text}\n{status}{_END}{after}"


def _boxes(membership: Membership, state: CampaignState, commands: Commands) -> Iterator[str]:
    yield "Tick a box, and the next run of the campaign does it:"
    yield ""
    yield _box("hold", "", "Hold the campaign for as long as this is ticked", is_ticked=commands.is_held)
    for wave in membership.waves[1:]:
        is_open = wave.name in state.open_waves
        if not is_open or wave.name in commands.started:
            is_ticked = wave.name in commands.started
            yield _box("start", wave.name, f"Start wave {wave.name}, whatever its gate says", is_ticked=is_ticked)
    for item in state.connectors:
        if item.state == "trial-failed":
            is_ticked = item.connector in commands.retried
            yield _box("retry", item.connector, f"Try {item.connector} again", is_ticked=is_ticked)
    if any(item.is_done and item.pull for item in state.connectors) or commands.is_reverted:
        words = "Open pull requests that revert everything that was merged"
        yield _box("revert", "", words, is_ticked=commands.is_reverted)


def _box(do: str, subject: str, words: str, *, is_ticked: bool) -> str:
    name = f"{do} {subject}" if subject else do
    return f"- [{'x' if is_ticked else ' '}] <!-- airbyte-ci do={name} --> {words}"
