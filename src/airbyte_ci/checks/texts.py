"""Texts of the repository's files, each read once even if several rules need it."""

import functools
from pathlib import Path
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml

# The rules are applied connector by connector, so a file is needed again soon or never.
_KEPT = 64


class Texts:
    """Reads files and caches the most recent ones."""

    def __init__(self) -> None:
        self.text = functools.lru_cache(_KEPT)(_text)
        self.toml = functools.lru_cache(_KEPT)(self._toml)

    def _toml(self, path: Path) -> dict[str, Any] | None:
        """Returns the parsed TOML; None when the file is missing or is not TOML."""
        text = self.text(path)
        try:
            return None if text is None else load_toml(text)
        except DocumentError:
            return None


def _text(path: Path) -> str | None:
    """Returns the file's text with invalid bytes replaced; None when it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return None
