"""Selects the connectors of a command. Kinds of filter are combined with AND, values of one kind with OR."""

from collections.abc import Callable, Mapping, Sequence

from airbyte_ci.connectors import facts as own_facts
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.facts import Fact
from airbyte_ci.errors import UsageError
from airbyte_ci.records import dataclass

ModifiedFiles = Callable[[], Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The filters. An empty filter does not restrict, so an empty Selection selects every connector.

    `modified`: only connectors that the branch modifies; `metadata_changes`: only those whose metadata it modifies.
    """

    names: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    support_levels: tuple[str, ...] = ()
    query: str = ""
    modified: bool = False
    metadata_changes: bool = False
    diffed_branch: str | None = None

    def __bool__(self) -> bool:
        filters = self.names or self.languages or self.support_levels or self.query
        return bool(filters or self.modified or self.metadata_changes)


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected connectors, and warnings for the user."""

    connectors: tuple[Connector, ...]
    warnings: tuple[str, ...] = ()


def _nothing() -> Mapping[str, tuple[str, ...]]:
    return {}


def select(
    connectors: Sequence[Connector],
    selection: Selection,
    facts: Mapping[str, Fact] = own_facts.OWN,
    modified: ModifiedFiles = _nothing,
) -> Selected:
    """Returns the selected connectors. A filter that matches nothing selects nothing.

    Raises UsageError for an unknown name, and QueryError. `facts` are what a query may use in addition to `data`.
    `modified` returns the modified files by folder of connector; it is called only if needed.
    """
    _refuse_unknown(connectors, selection.names)
    chosen = [item for item in connectors if not selection.names or item.name in selection.names]
    if selection.languages:
        chosen = [item for item in chosen if item.language in selection.languages]
    if selection.support_levels:
        chosen = [item for item in chosen if item.support_level in selection.support_levels]
    if selection.modified or selection.metadata_changes:
        chosen = _modified(chosen, modified(), selection)
    if not selection.query:
        return Selected(tuple(chosen))
    return _asked(connectors, chosen, selection.query, facts)


def _modified(
    connectors: Sequence[Connector], files: Mapping[str, tuple[str, ...]], selection: Selection
) -> list[Connector]:
    from airbyte_ci.connectors.modified import changes_metadata  # only if git was queried

    chosen = [item for item in connectors if item.relative in files]
    if selection.metadata_changes:
        chosen = [item for item in chosen if changes_metadata(files[item.relative])]
    return chosen


def _asked(
    connectors: Sequence[Connector], chosen: Sequence[Connector], text: str, facts: Mapping[str, Fact]
) -> Selected:
    from airbyte_ci.connectors import query as queries  # most listings have no query, and simpleeval is slow to import

    query = queries.parse(text, {"data": (), **{name: own_facts.FIELDS.get(name, ()) for name in facts}})
    unknown = query.unknown_keys(item.data for item in connectors)
    needed = [(name, fact) for name, fact in facts.items() if name in query.names]
    matching = tuple(
        item
        for item in chosen
        if query.matches({"data": item.data, **{name: fact(item) for name, fact in needed}}, item.name)
    )
    return Selected(matching, tuple(f"the query uses {key}, a key that no connector has" for key in unknown))


def _refuse_unknown(connectors: Sequence[Connector], names: Sequence[str]) -> None:
    known = [item.name for item in connectors]
    for name in names:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
            advice = f"did you mean {' or '.join(near)}?" if near else "airbyte-ci connectors list"
            raise UsageError(f"there is no connector {name!r} in this repository", advice=advice)
