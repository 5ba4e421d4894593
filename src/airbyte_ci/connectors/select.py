"""Selection: which connectors a command is about. Kinds of filter are AND-ed, values of one kind OR-ed."""

from collections.abc import Sequence
from dataclasses import dataclass

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import UsageError


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for. Empty means no filter of that kind, so an empty Selection is every connector."""

    names: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    support_levels: tuple[str, ...] = ()
    query: str = ""

    def __bool__(self) -> bool:
        return bool(self.names or self.languages or self.support_levels or self.query)


@dataclass(frozen=True, slots=True)
class Selected:
    """The connectors that were selected, and what the person should be warned of."""

    connectors: tuple[Connector, ...]
    warnings: tuple[str, ...] = ()


def select(connectors: Sequence[Connector], selection: Selection) -> Selected:
    """A filter that matches nothing selects nothing. Raises UsageError for a name that does not exist, QueryError."""
    _refuse_unknown(connectors, selection.names)
    chosen = [item for item in connectors if not selection.names or item.name in selection.names]
    if selection.languages:
        chosen = [item for item in chosen if item.language in selection.languages]
    if selection.support_levels:
        chosen = [item for item in chosen if item.support_level in selection.support_levels]
    if not selection.query:
        return Selected(tuple(chosen))
    from airbyte_ci.connectors import query as queries  # most listings have no query, and simpleeval is slow to import

    query = queries.parse(selection.query)
    unknown = query.unknown_keys(item.data for item in connectors)
    matching = tuple(item for item in chosen if query.matches({"data": item.data}, item.name))
    return Selected(matching, tuple(f"the query uses {key}, a key that no connector has" for key in unknown))


def _refuse_unknown(connectors: Sequence[Connector], names: Sequence[str]) -> None:
    known = [item.name for item in connectors]
    for name in names:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
            advice = f"did you mean {' or '.join(near)}?" if near else "airbyte-ci connectors list"
            raise UsageError(f"there is no connector {name!r} in this repository", advice=advice)
