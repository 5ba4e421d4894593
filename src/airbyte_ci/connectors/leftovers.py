"""What tools leave beside a connector's files, and no build reads: neither as code nor for a hook or a dependency."""

# Whoever looks whether something changed leaves out just these, so whatever reads a folder leaves out at least these.
FOLDERS = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
