"""Formats what a customization changed in an image."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airbyte_ci.oci.store.size import format_size
from airbyte_ci.text import escape, join_lines

_WIDTH = 100


def lines(found: Mapping[str, Any] | None) -> str:
    """Returns a line per package, variable, setting and user, and counts of files by folder."""
    if found is None:
        return "  it does not customize its build\n"
    rows = [
        *_pairs("package", found["packages"]),
        *_pairs("distribution", found["python"]),
        *_pairs("variable", found["variables"]),
        *_pairs("setting", found["settings"]),
        *_each("user", "+", found["users"]),
        *_each("set-user-ID", "+", (f"/{path}" for path in found["setuid"])),
        *_files(found["files"]),
    ]
    if found["size"]:
        rows.append(("size", f"{format_size(found['size'])} in files"))
    if found["impure"]:
        rows.append(("network", f"used by {len(found['impure'])} of its layers"))
    width = max((len(kind) for kind, _ in rows), default=0)
    return join_lines(f"  {kind:{width}}  {text}" for kind, text in rows) or "  the customization changed nothing\n"


def _pairs(kind: str, changes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields `+ name value` for additions, `−` for removals and `~` for changes."""
    for name, (before, now) in sorted(changes.items()):
        if before in (None, ""):
            yield kind, f"+ {name} {_value(now)}"
        elif now in (None, ""):
            yield kind, f"− {name} {_value(before)}"
        else:
            yield kind, f"~ {name} {_value(before)} → {_value(now)}"


def _each(kind: str, mark: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((kind, f"{mark} {name}") for name in names)


def _files(files: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, mark in (("added", "+"), ("changed", "~"), ("removed", "−")):
        for folder, count in files[kind].items():
            yield "files", f"{mark} {count} in {folder}"
    if files["packaged"]:
        yield "files", f"  {files['packaged']} that belong to those packages"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        text = " ".join(map(str, value))
    elif isinstance(value, Mapping):
        text = " ".join(f"{name}={item}" for name, item in sorted(value.items()))
    else:
        text = str(value)
    shown = escape(text)
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 1]}…"
