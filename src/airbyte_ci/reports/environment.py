"""Formats the packages of an image as a table with a summary line."""

from collections.abc import Collection, Sequence

from airbyte_ci.images.explain import Explained
from airbyte_ci.reports import columns
from airbyte_ci.text import join_lines

_ASKERS = 3


def table(items: Sequence[Explained], last: Collection[str] | None, width: int | None = None) -> str:
    """Returns a table of packages: what requires each, what it replaces in the base, and how the last build differs.

    `last` has the package names of the last build, or is None if there was no build.
    """
    rows = [("PACKAGE", "VERSION", "IN THE BASE", "LAST BUILD", "REQUIRED BY")]
    rows += [(item.choice.name, _version(item), item.replaces or "–", _last(item), _askers(item)) for item in items]
    replaced = sum(1 for item in items if item.replaces)
    counted = f"{len(items)} packages · {replaced} replace one of the base"
    if last is not None:
        gone = sorted(set(last) - {item.choice.name for item in items})
        changed = sum(1 for item in items if item.differs)
        counted += f" · {changed} differ from the last build" + (f", {', '.join(gone)} gone" if gone else "")
    fitted = columns.lines(rows, width=width, drop=(3,), shorten=(4, 1))
    return fitted + join_lines([counted])


def _version(item: Explained) -> str:
    return f"{item.choice.version or '?'} from {item.origin}" if item.origin else item.choice.version


def _last(item: Explained) -> str:
    if not item.has_last:
        return "–"
    if not item.differs:
        return "same"
    if item.last is None:
        return "new"
    if item.last.origin != item.choice.origin:
        return f"{item.last.version} from {item.last.origin}"
    if item.last.version != item.choice.version:
        return item.last.version
    return "same version, other files" if item.choice.is_tree else "same version, another file"


def _askers(item: Explained) -> str:
    more = f" and {len(item.required_by) - _ASKERS} more" if len(item.required_by) > _ASKERS else ""
    return ", ".join(item.required_by[:_ASKERS]) + more
