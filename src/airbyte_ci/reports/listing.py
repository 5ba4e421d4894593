"""Formats the list of connectors as a table, JSON, CSV or a GitHub matrix, and sorts and counts it."""

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from click import style

from airbyte_ci.connectors.connector import BUILT_LANGUAGES, PYTHON_LANGUAGES, Connector
from airbyte_ci.connectors.facts import FIELDS
from airbyte_ci.execution.shard import Shard
from airbyte_ci.records import dataclass
from airbyte_ci.reports import columns
from airbyte_ci.text import dump_json, escape_csv, join_lines

# The maximum number of jobs in a GitHub matrix: https://docs.github.com/en/actions/reference/limits
MATRIX_LIMIT = 256


Base = Callable[[], Mapping[str, Any] | None]
"""Returns the facts about a base image: version, behind, yanked. Called only if needed."""

Ask = Callable[[str], Any]
"""Returns a fact about the connector by its name in queries. Called only if a field is a fact."""

_NO_FACTS: Mapping[str, Any] = {}

_DIGITS = frozenset("0123456789")
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}\Z")
# An address with a tag and no digest: invalid, whatever the catalog knows about it.
_BY_TAG = re.compile(r"[\w./:-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingRow:
    """One connector as `list` shows it. `data` is its metadata, for fields that are paths below `data`."""

    name: str
    language: str | None
    support_level: str | None
    version: str
    folder: str
    base_image: str | None
    base_name: str
    state: str
    is_python: bool
    data: Mapping[str, Any] = field(repr=False)
    base: Base = field(default=dict, repr=False)
    fact: Ask = field(default=_NO_FACTS.get, repr=False)
    modified_files: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        document = {
            "name": self.name,
            "language": self.language,
            "supportLevel": self.support_level,
            "version": self.version,
            "folder": self.folder,
            "baseImage": self.base_image,
            "state": self.state,
        }
        return document | ({} if self.modified_files is None else {"modifiedFiles": list(self.modified_files)})

    @property
    def is_migrated(self) -> bool:
        """Whether the connector has no Dockerfile and names its base image by digest, as the guide defines it."""
        return bool(self.base_image and _PINNED.search(self.base_image)) and "Dockerfile" not in self.state

    @property
    def is_up_to_date(self) -> bool:
        """Whether it is migrated to the latest version of its base image."""
        return self.is_migrated and self.state == "latest"

    @property
    def is_to_migrate(self) -> bool:
        """Whether it can be migrated and is not migrated yet; only Python connectors can be."""
        return self.is_python and not self.is_migrated

    def value(self, place: str) -> Any:  # noqa: ANN401  # parsed data
        """Returns the value of a field: one of `to_json`, a fact (`lock.kind`) or a path below `data`; else None."""
        document = self.to_json()
        if place in document:
            return document[place]
        keys = place.split(".")
        value: Any = {"base": self.base() if keys[0] == "base" else None, "data": self.data}
        if keys[0] in FIELDS and keys[0] not in value:
            value[keys[0]] = self.fact(keys[0])
        for key in keys if keys[0] in value else ["data", *keys]:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


def is_fact(place: str) -> bool:
    """Returns whether a field is a fact, even if no connector has a value for it."""
    name, _, part = place.partition(".")
    return name in FIELDS and (part in FIELDS[name] if part else not FIELDS[name])


def row(
    connector: Connector,
    base: Base,
    modified_files: tuple[str, ...] | None = None,
    fact: Ask = _NO_FACTS.get,
) -> ListingRow:
    """Returns the row of a connector. `base` returns the facts about its base image, `fact` all other facts."""
    language = connector.language  # reads the disk, so only once
    is_python = language in PYTHON_LANGUAGES
    return ListingRow(
        name=connector.name,
        language=language,
        support_level=connector.support_level,
        version=connector.version,
        folder=connector.relative,
        base_image=connector.base_image,
        base_name=_short(connector.base_image),
        state=_state(connector, base, is_built=language in BUILT_LANGUAGES),
        is_python=is_python,
        data=connector.data,
        base=base,
        fact=fact,
        modified_files=modified_files,
    )


def _state(connector: Connector, base: Base, *, is_built: bool) -> str:
    if connector.base_image is None:
        if not is_built:
            return "unknown language"
        return "Dockerfile" if connector.has_dockerfile else "no base image"
    leftover = " + Dockerfile" if connector.has_dockerfile else ""
    if _BY_TAG.fullmatch(connector.base_image):
        return f"no digest{leftover}"
    known = base() or {}
    if "repository" not in known:
        return f"unknown base image{leftover}"
    if known["yanked"]:
        return f"yanked{leftover}"
    return _behind(known["behind"]) + leftover


def _behind(number: int) -> str:
    return f"{number} behind" if number else "latest"


def table(rows: Sequence[ListingRow], total: int, *, color: bool, width: int | None = None) -> str:
    """Returns a table of the rows that fits the width, and a summary line."""
    if not rows:
        return count(rows, total) + "\n"
    cells = [("CONNECTOR", "LANGUAGE", "LEVEL", "VERSION", "BASE IMAGE", "STATE")]
    for item in rows:
        level, version = item.support_level or "–", item.version or "–"
        cells.append((item.name, item.language or "–", level, version, item.base_name, item.state))

    def paint(row: int, column: int) -> columns.Paint | None:
        if row == 0:
            return functools.partial(style, bold=True)
        return functools.partial(style, fg=_color(rows[row - 1].state)) if column == len(cells[0]) - 1 else None

    fitted = columns.lines(cells, paint if color else None, width=width, drop=(2, 1, 3), shorten=(4, 0))
    return fitted + count(rows, total) + "\n"


def count(rows: Sequence[ListingRow], total: int) -> str:
    """Returns the last line: `2 of 373 connectors · 1 on a base image · 1 up to date · 1 to migrate`."""
    on = sum(item.is_migrated for item in rows)
    current = sum(item.is_up_to_date for item in rows)
    to_migrate = sum(item.is_to_migrate for item in rows)
    of = f"{len(rows)} of {total}" if len(rows) != total else str(total)
    noun = f"connector{'s' if total != 1 else ''}"
    return f"{of} {noun} · {on} on a base image · {current} up to date · {to_migrate} to migrate"


def _short(address: str | None) -> str:
    """Returns the image's short name and tag, such as `python-connector-base 1.0.0`."""
    if address is None:
        return "–"
    name, _, tag = address.partition("@")[0].rpartition("/")[2].partition(":")
    return f"{name} {tag}".strip()


def _color(state: str) -> str:
    if state == "latest":
        return "green"
    return "bright_black" if state == "unknown language" else "yellow"


# --- for machines --------------------------------------------------------------------------------


def to_json(rows: Sequence[ListingRow]) -> str:
    return dump_json([item.to_json() for item in rows], indent=2) + "\n"


def to_names_json(rows: Sequence[ListingRow]) -> str:
    """Returns the names as a JSON array, the format that the original airbyte-ci wrote to files."""
    return dump_json([item.name for item in rows]) + "\n"


def names(rows: Sequence[ListingRow]) -> str:
    return join_lines(item.name for item in rows)


def to_csv(rows: Sequence[ListingRow]) -> str:
    """RFC 4180, but for line ends: a line feed, as other tools here expect."""
    import csv  # only here
    import io

    keys = ("name", "language", "supportLevel", "version", "folder", "baseImage", "state")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    for item in rows:
        document = item.to_json()
        writer.writerow([escape_csv(document[key]) for key in keys])
    return text.getvalue()


def matrix(rows: Sequence[ListingRow], shards: int | None) -> str:
    """Returns a GitHub Actions matrix on one line: a job per connector, or `shards` jobs of nearly equal size.

    `connector` is a name, or several names separated by spaces; `shard` is the value of `--shard` that selects them.
    """
    if shards is None:
        include = [{"connector": item.name, "folder": item.folder} for item in rows]
        return dump_json({"include": include}) + "\n"
    parts = [Shard(number, shards) for number in range(1, min(shards, len(rows)) + 1)]
    include = [
        {"shard": str(part), "connector": " ".join(item.name for item in part.select(rows, lambda item: item.name))}
        for part in parts
    ]
    return dump_json({"include": include}) + "\n"


# --- counting and order --------------------------------------------------------------------------


def counted(rows: Sequence[ListingRow], place: str) -> tuple[tuple[Any, int], ...]:
    """Returns how many rows have each value of a field, the most frequent first."""
    values = Counter(_plain(item.value(place)) for item in rows)
    return tuple(sorted(values.items(), key=lambda pair: (-pair[1], _sortable(pair[0]))))


def counts_table(counts: Sequence[tuple[Any, int]], place: str) -> str:
    return columns.lines([(place.upper(), "CONNECTORS"), *((_shown(value), str(count)) for value, count in counts)])


def ordered(rows: Sequence[ListingRow], place: str) -> list[ListingRow]:
    """Returns the rows sorted by a field; a leading `-` reverses the order. Rows without a value come last."""
    downwards = place.startswith("-")
    field_name = place.removeprefix("-")
    have = [item for item in rows if item.value(field_name) is not None]
    lack = [item for item in rows if item.value(field_name) is None]
    return sorted(have, key=lambda item: _sortable(_plain(item.value(field_name))), reverse=downwards) + lack


def _plain(value: object) -> Any:  # noqa: ANN401  # parsed data
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else value


def _sortable(value: object) -> tuple[Any, ...]:
    """Returns a sort key: numbers before texts, versions by number (1.2.9 before 1.2.10, 1.0.0-rc.1 before 1.0.0)."""
    if value is None:
        return (2,)
    if isinstance(value, (bool, int, float)):
        return (0, value)
    text = str(value)
    release, _, prerelease = text.partition("-") if re.fullmatch(r"\d+\.\d+\.\d+-.*", text) else (text, "", "~")
    parts = [part for piece in (release, prerelease) for part in (*re.split(r"([0-9]+)", piece), "")]
    return (1, *(_number(part) if part[:1] in _DIGITS else (-1, part) for part in parts))


def _number(digits: str) -> tuple[int, str]:
    """Returns a sort key for digits of any length; Python refuses to parse thousands of digits."""
    digits = digits.lstrip("0")
    return (len(digits), digits)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
