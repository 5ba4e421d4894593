"""Files of the repository as texts, each read once while several rules ask for it; not what they mean."""

import functools
from pathlib import Path
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml

# The rules are applied connector by connector, so a file is asked for again soon or not at all.
_KEPT = 64


class Texts:
    """Reads files and keeps the last ones."""

    def __init__(self) -> None:
        self.text = functools.lru_cache(_KEPT)(_text)
        self.toml = functools.lru_cache(_KEPT)(self._toml)

    def _toml(self, path: Path) -> dict[str, Any] | None:
        """The file as TOML; None when it is not there or is not TOML."""
        text = self.text(path)
        try:
            return None if text is None else load_toml(text)
        except DocumentError:
            return None


def _text(path: Path) -> str | None:
    """The file's text, odd bytes replaced; None when it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return None
