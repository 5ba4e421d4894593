"""Directory and File: folders and files as recipes, from a container or composed of pieces."""

import posixpath
from collections.abc import Callable, Sequence

from .operations import (
    Ask,
    Content,
    Filter,
    FromContainer,
    Insert,
    Json,
    Narrow,
    NewFile,
    NewFolder,
    NewLink,
    Question,
    Without,
)
from .record import replaced, value
from .values import Awaitable, Unsupported, text, texts


def ask_about(ask: Ask | None, about: str, contents: tuple[Content, ...], argument: str = "") -> Json:
    """Requests contents; a container answers for contents that are its own."""
    if ask is None:
        raise RuntimeError("this is only a recipe; nothing can evaluate it here")
    first = contents[0] if contents else None
    if isinstance(first, FromContainer) and len(contents) == 1 and not first.expand:
        place = posixpath.join(first.path, argument) if argument else first.path
        return ask(Question(about, first.operations, place))
    # A question without contents would concern the container, although an empty folder is meant.
    return ask(Question(about, (), argument, contents or (Filter((), ()),)))


@value
class Directory(Awaitable):
    """A folder; every `with_…` returns a new one."""

    _contents: tuple[Content, ...] = ()
    _ask: Ask | None = None
    _hidden = ("_ask",)

    def _then(self, content: Content) -> "Directory":
        return replaced(self, _contents=(*self._contents, content))

    def _asked_below(self, other: "Directory | File") -> "Directory":
        """Returns this folder, answerable like the other one: a folder that starts empty has no evaluator."""
        return self if self._ask else replaced(self, _ask=other._ask)

    def directory(self, path: str) -> "Directory":
        return replaced(self, _contents=narrow(self._contents, path, file=False))

    def file(self, path: str) -> "File":
        return File(narrow(self._contents, path, file=True), self._ask, posixpath.basename(path.rstrip("/")))

    def with_new_file(self, path: str, contents: str = "", permissions: int | None = None) -> "Directory":
        mode = 0o644 if permissions is None else permissions
        return self._then(NewFile(path, text("with_new_file", contents), mode))

    def with_new_directory(self, path: str, permissions: int | None = None) -> "Directory":
        return self._then(NewFolder(path, 0o755 if permissions is None else permissions))

    def with_symlink(self, target: str, link_name: str) -> "Directory":
        return self._then(NewLink(link_name, target))

    def with_file(
        self, path: str, source: "File", permissions: int | None = None, owner: str | None = None
    ) -> "Directory":
        refuse_owner("Directory.with_file", owner)
        inserted = Insert(source.placed(path), source._contents, permissions=-1 if permissions is None else permissions)
        return self._asked_below(source)._then(inserted)

    def with_files(self, path: str, sources: "Sequence[File]", permissions: int | None = None) -> "Directory":
        changed = self
        for source in sources:
            changed = changed.with_file(f"{path.rstrip('/')}/", source, permissions)
        return changed

    def with_directory(
        self,
        path: str,
        source: "Directory | None" = None,
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        *,
        directory: "Directory | None" = None,
        gitignore: bool | None = None,
        owner: str | None = None,
        permissions: int | None = None,
    ) -> "Directory":
        refuse_owner("Directory.with_directory", owner)
        if gitignore:
            raise Unsupported("Directory.with_directory(gitignore=True) is not provided by airbyte-ci")
        chosen = one_of("with_directory", source, directory)
        patterns = texts("include", include or ()), texts("exclude", exclude or ())
        inserted = Insert(path, chosen._contents, *patterns, -1 if permissions is None else permissions)
        return self._asked_below(chosen)._then(inserted)

    def filter(
        self,
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        gitignore: bool | None = None,
    ) -> "Directory":
        if gitignore:
            raise Unsupported("Directory.filter(gitignore=True) is not provided by airbyte-ci")
        return self._then(Filter(texts("include", include or ()), texts("exclude", exclude or ())))

    def without_file(self, path: str) -> "Directory":
        return self._then(Without((path,)))

    def without_files(self, paths: Sequence[str]) -> "Directory":
        return self._then(Without(texts("without_files", paths)))

    def without_directory(self, path: str) -> "Directory":
        return self._then(Without((path,)))

    def with_timestamps(self, timestamp: int) -> "Directory":  # noqa: ARG002  # layers have one time for all files
        return self

    def pipeline(self, name: str, description: str | None = None, labels: Json = None) -> "Directory":  # noqa: ARG002
        return self

    def with_(self, cb: "Callable[[Directory], Directory]") -> "Directory":
        return cb(self)

    async def entries(self, path: str | None = None) -> list[str]:
        return [str(name) for name in ask_about(self._ask, "entries", self._contents, path or "")]

    async def glob(self, pattern: str) -> list[str]:
        found = ask_about(self._ask, "paths", self._contents)
        return [str(path) for path in found if _matches(str(path), pattern)]

    async def exists(self, path: str, expected_type: object = None, do_not_follow_symlinks: bool | None = None) -> bool:
        if expected_type or do_not_follow_symlinks:
            raise Unsupported("Directory.exists takes only a path in airbyte-ci")
        return bool(ask_about(self._ask, "exists", self._contents, path))

    async def name(self) -> str:
        last = self._contents[-1] if self._contents else None
        place = last.path if isinstance(last, Narrow | FromContainer) else ""
        return f"{posixpath.basename(place.rstrip('/'))}/"

    async def sync(self) -> "Directory":
        ask_about(self._ask, "entries", self._contents)
        return self


@value
class File(Awaitable):
    """A file of a container or of a composed folder."""

    _contents: tuple[Content, ...] = ()
    _ask: Ask | None = None
    _hidden = ("_ask",)
    _name: str = ""

    def placed(self, path: str) -> str:
        """Returns the target path: below a path that ends with a slash, under the file's own name."""
        return f"{path}{self._name}" if path.endswith("/") else path

    async def contents(self, offset_lines: int | None = None, limit_lines: int | None = None) -> str:
        whole = str(ask_about(self._ask, "file", self._contents))
        if offset_lines is None and limit_lines is None:
            return whole
        lines = whole.splitlines(keepends=True)[offset_lines or 0 :]
        return "".join(lines if limit_lines is None else lines[:limit_lines])

    async def size(self) -> int:
        return int(ask_about(self._ask, "size", self._contents))

    async def name(self) -> str:
        return self._name

    async def sync(self) -> "File":
        ask_about(self._ask, "size", self._contents)
        return self

    def with_name(self, name: str) -> "File":
        return replaced(self, _name=name)

    def with_timestamps(self, timestamp: int) -> "File":  # noqa: ARG002  # layers have one time for all files
        return self

    def with_(self, cb: "Callable[[File], File]") -> "File":
        return cb(self)


def narrow(contents: tuple[Content, ...], path: str, *, file: bool) -> tuple[Content, ...]:
    """Returns the contents at a path; for a container, the path is extended."""
    first = contents[0] if contents else None
    if isinstance(first, FromContainer) and len(contents) == 1:
        return (replaced(first, path=f"{first.path.rstrip('/')}/{path.lstrip('/')}"),)
    return (*contents, Narrow(path, file))


def one_of(method: str, source: "Directory | None", directory: "Directory | None") -> "Directory":
    """Returns the source, which older versions call `directory`."""
    chosen = source if source is not None else directory
    if not isinstance(chosen, Directory):
        raise TypeError(f"{method} takes a Directory as its source, not {chosen!r:.80}")
    return chosen


def refuse_owner(method: str, owner: str | None) -> None:
    # A folder alone has no user database in which to look up names.
    if owner:
        raise Unsupported(f"{method}(owner=…) is not provided by airbyte-ci; give it to Container.with_directory")


def _matches(path: str, pattern: str) -> bool:
    from . import patterns

    return patterns.matches(path, pattern)
