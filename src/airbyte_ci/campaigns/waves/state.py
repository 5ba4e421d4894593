"""The state of a campaign: one value for each connector, recorded as sorted JSON.

It is for people, and the memory of trials. Everything else is asked from GitHub, registries and git.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from airbyte_ci import disk
from airbyte_ci.campaigns.waves.campaign_file import CampaignFile
from airbyte_ci.documents import DocumentError, load_json, read_file
from airbyte_ci.errors import AirbyteCiError

FORMAT = "airbyte-ci campaign 1"
State = Literal[
    "trial-failed", "held", "in-pr", "planned", "waiting", "merged", "released", "healthy", "reverted", "excluded"
]
STATES: tuple[State, ...] = get_args(State)
"""In the order in which people want to see them: what needs attention comes first."""
DONE: frozenset[State] = frozenset(("merged", "released", "healthy"))
Checks = Literal["none", "pending", "success", "failure"]
PullStatus = Literal["open", "merged", "closed"]
_SIZE_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PullState:
    """A pull request as GitHub reports it. `node` is its ID in GraphQL; `head` is the commit of its branch.

    `is_blocked` tells that a requirement of its target branch is not met yet, such as a check or a review. `is_behind`
    tells that the requirement is a branch that has all commits of the target. `is_revert` tells that it reverts the
    change of a merged one.
    """

    number: int
    url: str
    head: str
    status: PullStatus
    checks: Checks = "none"
    created: datetime | None = None
    merged: datetime | None = None
    merge_commit: str = ""
    node: str = ""
    is_draft: bool = False
    is_conflicting: bool = False
    is_mergeable: bool = False
    is_blocked: bool = False
    is_behind: bool = False
    is_automatic: bool = False
    is_queued: bool = False
    is_revert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorState:
    """One connector's state, its reason, and the time since when.

    `inputs` is git's name of the connector's folder and the digest of the order, for which a trial or a plan ended so.
    `before` and `after` are versions, `base_before` and `base_after` base images. `head` is the commit that airbyte-ci
    pushed last.
    """

    connector: str
    state: State
    since: datetime
    wave: str = ""
    reason: str = ""
    attempt: int = 0
    inputs: str = ""
    pull: PullState | None = None
    head: str = ""
    before: str = ""
    after: str = ""
    base_before: str = ""
    base_after: str = ""

    @property
    def is_done(self) -> bool:
        return self.state in DONE

    @property
    def is_failure(self) -> bool:
        """Whether it counts against the gate of its wave."""
        pull = self.pull
        is_rejected = pull is not None and pull.status == "closed"
        is_red = pull is not None and pull.status == "open" and pull.checks == "failure"
        return self.state in ("trial-failed", "reverted") or is_rejected or is_red

    def to_json(self) -> dict[str, Any]:
        """Returns the object without empty values."""
        pull = self.pull
        document: dict[str, Any] = {
            "connector": self.connector,
            "state": self.state,
            "since": written(self.since),
            "wave": self.wave,
            "reason": self.reason,
            "attempt": self.attempt,
            "inputs": self.inputs,
            "head": self.head,
            "from": self.before,
            "to": self.after,
            "baseBefore": self.base_before,
            "baseAfter": self.base_after,
        }
        if pull:
            document["pullRequest"] = {
                "number": pull.number,
                "url": pull.url,
                "head": pull.head,
                "status": pull.status,
                "checks": pull.checks,
                **({"merged": written(pull.merged)} if pull.merged else {}),
            }
        return {key: value for key, value in document.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignState:
    """The whole campaign at a time: its connectors by name, the waves that are open, and why it is held.

    `gate` is the failed condition of a wave, one of the reasons to hold.
    """

    campaign: str
    time: datetime
    connectors: tuple[ConnectorState, ...]
    open_waves: tuple[str, ...] = ()
    held: str = ""
    closed: str = ""

    def of(self, name: str) -> ConnectorState | None:
        return next((item for item in self.connectors if item.connector == name), None)

    def with_connector(self, changed: ConnectorState) -> "CampaignState":
        """Returns the state with another value for one connector; `since` changes with the state."""
        items = [changed if item.connector == changed.connector else item for item in self.connectors]
        return replace(self, connectors=tuple(items))

    def count(self) -> dict[State, int]:
        """Returns the number of connectors by state, in the order of STATES, without zeros."""
        counts = {state: sum(item.state == state for item in self.connectors) for state in STATES}
        return {state: count for state, count in counts.items() if count}

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "campaign": self.campaign,
            **({"held": self.held} if self.held else {}),
            **({"closed": self.closed} if self.closed else {}),
            "openWaves": list(self.open_waves),
            "connectors": [item.to_json() for item in sorted(self.connectors, key=lambda item: item.connector)],
        }

    def text(self) -> str:
        """Returns the state file: one line for each value, so that git shows what changed."""
        return json.dumps(self.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Parses RFC 3339; raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


class StateRecord(Protocol):
    """Where the state of a campaign is kept. Both methods raise AirbyteCiError."""

    def load(self) -> Mapping[str, ConnectorState]:
        """Returns the recorded states by connector; empty if nothing is recorded."""

    def save(self, state: CampaignState) -> bool:
        """Records a state; returns whether anything changed."""


class StateFile:
    """The file next to the campaign file, which people or CI commit."""

    def __init__(self, root: Path, campaign: CampaignFile) -> None:
        self._root, self._path = root, campaign.state_path

    def load(self) -> Mapping[str, ConnectorState]:
        try:
            raw = read_file(self._root / self._path, _SIZE_LIMIT)
        except FileNotFoundError:
            return {}
        except (OSError, DocumentError) as error:
            raise AirbyteCiError(f"cannot read the campaign's state {self._path}: {error}") from error
        return parse(raw, self._path, "delete it")

    def save(self, state: CampaignState) -> bool:
        path, content = self._root / self._path, state.text().encode()
        if path.is_file() and path.read_bytes() == content:
            return False
        disk.write_file(path, content)
        return True


def parse(raw: bytes, path: str, removal: str) -> Mapping[str, ConnectorState]:
    """Parses a recorded state; raises AirbyteCiError that advises its removal."""
    try:
        document = load_json(raw)
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}, not {FORMAT!r}")
        return {item["connector"]: _connector(item) for item in document["connectors"]}
    except (DocumentError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, (LookupError, TypeError)) else str(error)
        raise AirbyteCiError(
            f"the campaign's state {path} is invalid: {reason}",
            advice=f"{removal}: the next run creates it again, and repeats failed trials",
        ) from error


def _connector(item: Mapping[str, Any]) -> ConnectorState:
    if item["state"] not in STATES:
        raise ValueError(f"{item['state']!r} is not a state")
    return ConnectorState(
        connector=str(item["connector"]),
        state=item["state"],
        since=parse_time(item["since"]),
        attempt=int(item.get("attempt", 0)),
        before=str(item.get("from", "")),
        after=str(item.get("to", "")),
        base_before=str(item.get("baseBefore", "")),
        base_after=str(item.get("baseAfter", "")),
        wave=str(item.get("wave", "")),
        reason=str(item.get("reason", "")),
        inputs=str(item.get("inputs", "")),
        head=str(item.get("head", "")),
        pull=_pull(item["pullRequest"]) if "pullRequest" in item else None,
    )


def _pull(item: Mapping[str, Any]) -> PullState:
    return PullState(
        number=int(item["number"]),
        url=str(item["url"]),
        head=str(item["head"]),
        status=item["status"],
        checks=item["checks"],
        merged=parse_time(item["merged"]) if "merged" in item else None,
    )
