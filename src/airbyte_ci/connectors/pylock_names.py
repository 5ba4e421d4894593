"""Finds the PEP 751 locks of a folder: `pylock.toml`, or one with a name such as `pylock.prod.toml`."""

import re
from collections.abc import Iterable

FILE = "pylock.toml"
# Names of groups, extras and locks that only tests need.
DEVELOPMENT = frozenset({"dev", "develop", "development", "test", "tests", "testing"})
_PYLOCK = r"pylock\.(?:([^./]+)\.)?toml"


def is_pylock(name: str | None) -> bool:
    """Returns whether a file has the name of a PEP 751 lock."""
    return name is not None and re.fullmatch(_PYLOCK, name) is not None


def of(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the locks that a build may read: only `pylock.toml` if it exists, else all with other names, sorted.

    Excludes locks for development.
    """
    found = {name: match[1] for name in names if (match := re.fullmatch(_PYLOCK, name))}
    if FILE in found:
        return (FILE,)
    return tuple(sorted(name for name, label in found.items() if label.lower() not in DEVELOPMENT))
