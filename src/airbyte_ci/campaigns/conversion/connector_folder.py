"""Facts of a connector's folder for a migration: its paths, texts in its code, declarations in its files."""

import functools
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from airbyte_ci.campaigns.conversion import declared_requirements, dockerignore
from airbyte_ci.campaigns.conversion.declared_requirements import DeclaredRequirements
from airbyte_ci.campaigns.conversion.dockerignore import DockerIgnore
from airbyte_ci.connectors import leftovers
from airbyte_ci.git import git

_CODE = (".py", ".yaml", ".yml", ".json", ".toml", ".cfg", ".sh", ".txt")
# Of a longer file, only the start can be code.
_READ = 1 << 20
_ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz)$")


class ConnectorFolder:
    """A connector's folder, read-only and read on demand, because most Dockerfiles need nothing of it."""

    def __init__(self, folder: Path, package: str) -> None:
        self.folder = folder
        self.package = package

    def kind_of(self, path: str) -> Literal["file", "folder"] | None:
        """Returns the kind of a relative path; None if it does not exist, or leads out of the folder."""
        if ".." in path.split("/") or "\0" in path:
            return None
        place = self.folder / path
        return "folder" if place.is_dir() else "file" if place.is_file() else None

    def mode(self, path: str) -> int:
        """Returns 0o755 for an executable file, 0o644 for any other."""
        return 0o755 if (self.folder / path).stat().st_mode & stat.S_IXUSR else 0o644

    def is_archive(self, path: str) -> bool:
        """Returns whether ADD would unpack a file."""
        return self.kind_of(path) == "file" and _ARCHIVE.search(path) is not None

    def matches(self, pattern: str) -> list[str]:
        """Returns the paths that a pattern of COPY matches, without those that `docker build` ignores."""
        expression = re.compile(dockerignore.expression(pattern))
        depth = pattern.count("/")
        return [path for path in self._walk("", depth) if expression.fullmatch(path) and not self.ignores(path)]

    def below(self, path: str) -> list[str]:
        """Returns the names in a folder (empty: the connector's own) that git and `docker build` do not ignore."""
        prefix = f"{path}/" if path else ""
        places = (f"{prefix}{item.name}" for item in (self.folder / path).iterdir() if not _is_left_out(item.name))
        return sorted(place for place in places if place not in self._git_ignored and not self.ignores(place))

    def ignores(self, path: str) -> bool:
        """Returns whether `.dockerignore` excludes a path."""
        return self._ignore.ignores(path)

    def ignored_below(self, path: str) -> bool:
        """Returns whether `.dockerignore` excludes something in a folder."""
        return bool(self._ignore.patterns) and any(self.ignores(inner) for inner in self._walk(f"{path}/", 99))

    def mentions(self, text: str) -> bool:
        """Returns whether any file of code or configuration in the folder contains the text."""
        wanted = text.encode()
        files = (path for path in self.folder.rglob("*") if path.suffix in _CODE and path.is_file())
        return any(wanted in path.read_bytes()[:_READ] for path in files)

    def code_mentions(self, text: str) -> str | None:
        """Returns the first file of the running code (main.py and the package) with the text in quotes or a path."""
        wanted = re.compile(rb"[\"'/]" + re.escape(text.encode()) + rb"[\"'/]")
        code = [self.folder / "main.py", *sorted((self.folder / self.package).rglob("*.py"))]
        found = (path for path in code if path.is_file() and wanted.search(path.read_bytes()[:_READ]))
        return next((path.relative_to(self.folder).as_posix() for path in found), None)

    def text(self, path: str) -> str:
        """Returns a file's text; empty if it does not exist."""
        place = self.folder / path
        return place.read_text("utf-8", errors="replace") if self.kind_of(path) == "file" else ""

    @functools.cached_property
    def requirements(self) -> DeclaredRequirements:
        """Returns the requirements that the connector's own files declare."""
        return declared_requirements.read(self.folder)

    @functools.cached_property
    def _ignore(self) -> DockerIgnore:
        return dockerignore.parse(self.text(".dockerignore"))

    @functools.cached_property
    def _git_ignored(self) -> frozenset[str]:
        arguments = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
        answer = git.ask(self.folder, *arguments)
        names = answer.stdout.decode(errors="replace").split("\0") if answer and not answer.returncode else ()
        return frozenset(name.rstrip("/") for name in names)

    def _walk(self, prefix: str, depth: int) -> Iterator[str]:
        for item in sorted((self.folder / prefix).iterdir()):
            if _is_left_out(item.name):
                continue
            yield f"{prefix}{item.name}"
            if depth and item.is_dir() and not item.is_symlink():
                yield from self._walk(f"{prefix}{item.name}/", depth - 1)


def _is_left_out(name: str) -> bool:
    return name in leftovers.FOLDERS or name == ".DS_Store" or name.endswith((".pyc", ".pyo"))
