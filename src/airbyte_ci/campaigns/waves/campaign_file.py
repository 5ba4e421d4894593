"""The campaign file `campaigns/NAME.yaml`, as values. `schemas/campaign.json` has the form of each key."""

import datetime
import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from airbyte_ci import schema_errors
from airbyte_ci.documents import DocumentError, load_yaml, read_file
from airbyte_ci.errors import UsageError

FOLDER = "campaigns"
REST = "rest"
AUTOMERGE_TAG = "automerge:campaigns"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MergeMethod = Literal["merge", "squash", "rebase"]
DoneWhen = Literal["merged", "released"]
StatePlace = Literal["file", "branch"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class WaveGate:
    """The condition of the next wave: the share (0–1) of connectors that are done, and of those that may fail.

    `floor` failures are always accepted, because one connector of a small wave is a large share.
    """

    done: float = 1.0
    failures: float = 0.0
    floor: int = 0

    def accepted(self, size: int) -> int:
        """Returns how many failures of a wave of this size are accepted."""
        return max(self.floor, int(self.failures * size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave, as it is declared: named connectors, or some of those that earlier waves left."""

    name: str
    connectors: tuple[str, ...] = ()
    select: str = ""
    share: float | None = None
    size: int | None = None
    soak: timedelta = timedelta()
    gate: WaveGate = WaveGate()


@dataclass(frozen=True, slots=True)
class Rate:
    """When and how fast pull requests are opened. `hours` are (first, end) in `zone`; None is any time."""

    per_day: int = 50
    open: int = 20
    hours: tuple[int, int] | None = None
    days: tuple[str, ...] = DAYS
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A connector that is left out; `until` is the last day."""

    connector: str
    reason: str
    until: date | None = None

    def is_active(self, today: date) -> bool:
        return self.until is None or today <= self.until

    def __str__(self) -> str:
        return f"{self.reason} (until {self.until})" if self.until else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFile:
    """A campaign as it is ordered. `path` is the file, relative to the repository's root."""

    name: str
    path: str
    migration: str
    options: Mapping[str, Any] = field(default_factory=dict)
    changelog: str = ""
    select: str = ""
    waves: tuple[Wave, ...] = ()
    rate: Rate = Rate()
    trial: tuple[str, ...] = ("build", "spec", "unit")
    automerge: bool = False
    merge_method: MergeMethod = "squash"
    done_when: DoneWhen = "merged"
    state: StatePlace = "file"
    labels: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    dashboard: int | None = None
    hold: str = ""
    closed: str = ""

    @property
    def state_path(self) -> str:
        """Returns the path of the state: next to the campaign file, or the same path on the state's branch."""
        return f"{FOLDER}/{self.name}.state.json"

    @property
    def state_branch(self) -> str:
        """Returns the branch of the state, if it has one of its own."""
        return f"airbyte-ci/campaign-state/{self.name}"

    def exclusion(self, connector: str, today: date) -> Exclusion | None:
        """Returns the exclusion that applies to a connector on this day."""
        found = (item for item in self.exclusions if item.connector == connector and item.is_active(today))
        return next(found, None)

    def branch(self, connector: str) -> str:
        """Returns the branch of a connector's pull request."""
        return f"airbyte-ci/campaign/{self.name}/{connector}"

    def revert_branch(self, connector: str) -> str:
        """Returns the branch of the pull request that reverts a connector's change."""
        return f"airbyte-ci/campaign-revert/{self.name}/{connector}"


@functools.cache
def schema() -> Mapping[str, Any]:
    """Returns the JSON Schema of campaign files."""
    text = (resources.files(__package__) / "schemas" / "campaign.json").read_text("utf-8")
    document: Mapping[str, Any] = json.loads(text)
    return document


def names(root: Path) -> list[str]:
    """Returns the names of the repository's campaigns."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.yaml"))


def load(root: Path, name: str) -> CampaignFile:
    """Reads a campaign by its name; raises UsageError with the file and the wrong value."""
    name = name.removeprefix(f"{FOLDER}/").removesuffix(".yaml")
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a campaign's name", advice="use lowercase letters, digits and dashes")
    path = f"{FOLDER}/{name}.yaml"
    try:
        return parse(read_file(root / path), name, path)
    except FileNotFoundError as error:
        known = ", ".join(names(root))
        advice = f"known: {known}" if known else "write it: airbyte-ci campaign --help"
        raise UsageError(f"there is no campaign {name!r}: {path} does not exist", advice=advice) from error
    except DocumentError as error:
        raise UsageError(f"{path} is invalid: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def parse(raw: bytes, name: str, path: str) -> CampaignFile:
    """Parses a campaign file; raises UsageError."""
    try:
        document = _with_dates_as_text(load_yaml(raw))
    except DocumentError as error:
        raise UsageError(f"{path} is not valid YAML: {error}") from error
    if problem := schema_errors.find_violation(document, schema()):
        raise UsageError(f"{path} is invalid: {problem}")
    try:
        values = {_FIELDS.get(key, key): _PARSERS.get(key, _keep)(value) for key, value in document.items()}
        return CampaignFile(name=name, path=path, **values)
    except ValueError as error:
        raise UsageError(f"{path} is invalid: {error}") from error


def _with_dates_as_text(value: Any) -> Any:  # noqa: ANN401  # YAML
    """Returns the document with dates as users write them: YAML has a type for them, and JSON has none."""
    if isinstance(value, dict):
        return {key: _with_dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_dates_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def _waves(documents: list[Any]) -> tuple[Wave, ...]:
    waves = tuple(map(_wave, documents))
    seen: set[str] = set()
    for wave in waves:
        if wave.name in seen:
            raise ValueError(f"waves: {wave.name!r} is declared twice")
        seen.add(wave.name)
    taken: dict[str, str] = {}
    for wave in waves:
        for connector in wave.connectors:
            if other := taken.get(connector):
                raise ValueError(f"waves: {connector} is in {other} and in {wave.name}")
            taken[connector] = wave.name
    return waves


def _wave(document: Mapping[str, Any]) -> Wave:
    if "connectors" in document and {"select", "share", "size"} & document.keys():
        raise ValueError(f"waves: {document['name']} names connectors, which excludes select, share and size")
    gate = document.get("gate", {})
    return Wave(
        name=document["name"],
        connectors=tuple(document.get("connectors", ())),
        select=document.get("select", ""),
        share=_share(document["share"]) if "share" in document else None,
        size=document.get("size"),
        soak=duration(document.get("soak", "0m")),
        gate=WaveGate(_share(gate.get("done", "100%")), _share(gate.get("failures", "0%")), gate.get("floor", 0)),
    )


def _share(text: str) -> float:
    return int(text.removesuffix("%")) / 100


def duration(text: str) -> timedelta:
    """Parses `30m`, `12h` or `2d`."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def _hours(text: str) -> tuple[int, int]:
    first, end = map(int, text.split("-"))
    if first >= end:
        raise ValueError(f"rate.hours: {text} ends before it begins")
    return first, end


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError) as error:
        raise ValueError(f"rate.time-zone: {name!r} is not a time zone") from error
    return name


def _rate(document: Mapping[str, Any]) -> Rate:
    parsers: Mapping[str, Callable[[Any], Any]] = {"hours": _hours, "days": tuple, "time-zone": _zone}
    fields = {"pull-requests-per-day": "per_day", "open-pull-requests": "open", "time-zone": "zone"}
    return Rate(**{fields.get(key, key): parsers.get(key, _keep)(value) for key, value in document.items()})


def _line(text: str) -> str:
    return " ".join(text.split())


def _keep(value: Any) -> Any:  # noqa: ANN401  # YAML
    return value


def _exclusions(documents: list[Any]) -> tuple[Exclusion, ...]:
    found = []
    for item in documents:
        until = item.get("until")
        try:
            found.append(Exclusion(item["connector"], item["reason"], date.fromisoformat(until) if until else None))
        except ValueError as error:
            raise ValueError(f"exclude: {until} is not a date") from error
    return tuple(found)


# The schema has checked every key and the form of its value.
_FIELDS = {"merge-method": "merge_method", "done-when": "done_when", "exclude": "exclusions"}
_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "waves": _waves,
    "rate": _rate,
    "trial": tuple,
    "labels": tuple,
    "exclude": _exclusions,
    "hold": _line,
    "closed": _line,
}
