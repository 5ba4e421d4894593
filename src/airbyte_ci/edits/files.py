"""The files of a repository with all previous edits applied. Writes nothing."""

from pathlib import Path

from airbyte_ci.edits.edit import Edit
from airbyte_ci.errors import EditRefused


class Files:
    """Reads below `root`, through the recorded edits. Several edits of one file (a shared page) build on each other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._recorded: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """Returns the content of a file; None if it does not exist. Raises EditRefused if it is unreadable."""
        if path in self._recorded:
            return self._recorded[path]
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise EditRefused(f"{path} cannot be read: {error.strerror}") from error

    def record(self, edit: Edit, outside: str) -> None:
        """Records an edit that is not written yet, except for files in the folder `outside`."""
        for change in edit.changes:
            if not change.path.startswith(f"{outside}/"):
                self._recorded[change.path] = change.after
