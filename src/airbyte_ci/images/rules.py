"""The lock options of a repository and a command: the resolution date, and additional groups and extras."""

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.records import dataclass

if TYPE_CHECKING:  # slow to import
    from airbyte_ci.python.packages.lock import Wish

# Without a clock, every date is in the past.
_FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """`as_of` is the day for connectors without a lock; empty leaves it to their own files.

    `groups` and `extras` are by patterns of connectors' names. `now` is the clock: no day after it is over.
    """

    as_of: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    now: datetime = _FAR

    def wish(self, connector: Connector) -> "Wish":
        """Returns the additional dependencies of a connector."""
        from airbyte_ci.python.packages.lock import Wish

        return Wish(_matching(self.groups, connector.name), _matching(self.extras, connector.name))

    def to_json(self) -> dict[str, Any]:
        """Returns the options that shape a build."""
        tables = {name: dict(table) for name, table in (("groups", self.groups), ("extras", self.extras))}
        return {"as of": self.as_of, **tables}


NO_RULES = Rules()


def _matching(table: Mapping[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    found = (item for pattern, items in table.items() if fnmatchcase(name, pattern) for item in items)
    return tuple(sorted(set(found)))
