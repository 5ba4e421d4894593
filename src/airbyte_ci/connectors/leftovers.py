"""Files that tools leave in a connector's folder and that no build reads: not as code, for a hook, or a dependency."""

import re

# Change detection ignores exactly these, so every other reader must ignore at least these.
FOLDERS = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
# Swap, lock and backup files: of vim, nano and kate; of emacs; of most others; of JetBrains; of GTK.
_EDITORS = r"(?s:\..*\.(?:sw[a-z]|kate-swp)|\.#.*|#.*#|.*~|.*___jb_(?:tmp|old|bak)___|\.goutputstream-.*)"
_BYTE_CODE = (".pyc", ".pyo")


def is_byte_code(name: str) -> bool:
    """Returns whether a file of this name is byte code, which Python creates again."""
    return name.endswith(_BYTE_CODE)


def is_of_editor(name: str) -> bool:
    """Returns whether an editor creates a file of this name while another is open or saved."""
    return re.fullmatch(_EDITORS, name) is not None
