"""An environment as people read it: a table, and a line that counts."""

from collections.abc import Mapping, Sequence

from airbyte_ci.build.explain import Explained
from airbyte_ci.reports import columns

_ASKERS = 3


def table(items: Sequence[Explained], last: Mapping[str, str] | None) -> str:
    """Packages with who asked for them, what they replace in the base, and what differs from the last build."""
    rows = [("PACKAGE", "VERSION", "IN THE BASE", "LAST BUILD", "ASKED FOR BY")]
    rows += [(item.name, item.version, item.replaces or "–", _last(item), _askers(item)) for item in items]
    replaced = sum(1 for item in items if item.replaces)
    counted = f"{len(items)} packages · {replaced} replace one of the base"
    if last is not None:
        gone = sorted(set(last) - {item.name for item in items})
        changed = sum(1 for item in items if item.last != item.version)
        counted += f" · {changed} differ from the last build" + (f", {', '.join(gone)} gone" if gone else "")
    return columns.lines(rows) + counted + "\n"


def _last(item: Explained) -> str:
    if item.last is None or item.last == item.version:
        return "–" if item.last is None else "same"
    return item.last or "new"


def _askers(item: Explained) -> str:
    more = f" and {len(item.required_by) - _ASKERS} more" if len(item.required_by) > _ASKERS else ""
    return ", ".join(item.required_by[:_ASKERS]) + more
