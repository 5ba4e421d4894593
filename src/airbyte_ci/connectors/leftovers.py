"""What tools leave beside a connector's files, and no build reads: neither as code nor for a hook or a dependency."""

import re

# Whoever looks whether something changed leaves out just these, so whatever reads a folder leaves out at least these.
FOLDERS = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
# Swap, lock and backup files: of vim, nano and kate; of emacs; of most others; of JetBrains; of GTK.
_EDITORS = re.compile(r"(?s:\..*\.(?:sw[a-z]|kate-swp)|\.#.*|#.*#|.*~|.*___jb_(?:tmp|old|bak)___|\.goutputstream-.*)")
_BYTE_CODE = (".pyc", ".pyo")


def is_byte_code(name: str) -> bool:
    """Whether a file of this name is byte code, which Python makes again."""
    return name.endswith(_BYTE_CODE)


def is_of_editor(name: str) -> bool:
    """Whether an editor keeps a file of this name while it saves another or has it open."""
    return _EDITORS.fullmatch(name) is not None
