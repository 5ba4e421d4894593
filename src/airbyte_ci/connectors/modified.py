"""Finds the connectors that a set of changed files modifies, and how."""

from collections.abc import Callable, Collection, Mapping, Sequence

from airbyte_ci.connectors.connector import Connector

_METADATA = "metadata.yaml"
_VARIANT = "-strict-encrypt"


def modified_files(
    connectors: Sequence[Connector], changed: Collection[str], page: Callable[[Connector], str | None]
) -> dict[str, tuple[str, ...]]:
    """Returns the modifying files by folder of each modified connector.

    These are the files of its folder and its documentation page (`page`, a path in the repository). As in the original,
    other Markdown files (README.md, bootstrap.md) modify nothing, and archived connectors are never modified. A
    connector and its `-strict-encrypt` variant share their code, so a change of one modifies the other.
    """
    active = [item for item in connectors if item.support_level != "archived"]
    folders = {item.relative: item for item in active}
    found: dict[str, set[str]] = {}
    for path in changed:
        if not path.endswith(".md") and (owner := _owner(path, folders)):
            found.setdefault(owner, set()).add(path)
    if any(path.endswith(".md") for path in changed):
        for item in active:
            if (own := page(item)) in changed and own is not None:
                found.setdefault(item.relative, set()).add(own)
    _join_variants(active, found)
    return {folder: tuple(sorted(paths)) for folder, paths in found.items()}


def changes_metadata(files: Collection[str]) -> bool:
    """Returns whether a connector's metadata is among its modified files."""
    return any(path.rpartition("/")[2] == _METADATA for path in files)


def _owner(path: str, folders: Mapping[str, Connector]) -> str | None:
    """Returns the nearest folder of a connector above the path."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in folders:
            return folder
    return "." if "." in folders else None


def _join_variants(connectors: Sequence[Connector], found: dict[str, set[str]]) -> None:
    by_name = {item.name: item for item in connectors}
    for item in connectors:
        base = by_name.get(item.name.removesuffix(_VARIANT))
        if not item.name.endswith(_VARIANT) or base is None:
            continue
        both = found.get(item.relative, set()) | found.get(base.relative, set())
        if both:
            found[item.relative] = found[base.relative] = both
