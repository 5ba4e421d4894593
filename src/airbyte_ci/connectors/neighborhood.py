"""A place for another state of one connector: an empty folder at its path, next to links to everything else."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def empty_place(root: Path, relative: str) -> Iterator[tuple[Path, Path]]:
    """Gives a temporary root and, at the connector's path in it, an empty folder.

    The other files and folders of the repository are links, so that a lock file may name other folders.
    """
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-try-") as name:
        copy = Path(name).resolve()
        folder, source = copy, root
        for part in Path(relative).parts:
            _link(source, folder, besides=part)
            folder, source = folder / part, source / part
            folder.mkdir()
        yield copy, folder


def _link(source: Path, folder: Path, *, besides: str) -> None:
    if source.is_dir():
        for item in source.iterdir():
            if item.name not in (besides, ".git"):
                (folder / item.name).symlink_to(item)
