"""The files of a repository as they will be once the edits made so far are applied; it does not apply them."""

from pathlib import Path

from airbyte_ci.edits.edit import Edit
from airbyte_ci.errors import EditRefused


class Files:
    """Reads below `root`, through what was recorded. Several edits of one file (a shared page) build on each other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._recorded: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """The content of a file; None where there is none. Raises EditRefused for what is no file or cannot be read."""
        if path in self._recorded:
            return self._recorded[path]
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise EditRefused(f"{path} cannot be read: {error.strerror}") from error

    def record(self, edit: Edit, outside: str) -> None:
        """Remembers an edit that is not written: what it makes of files that are not in the folder `outside`."""
        for change in edit.changes:
            if not change.path.startswith(f"{outside}/"):
                self._recorded[change.path] = change.after
