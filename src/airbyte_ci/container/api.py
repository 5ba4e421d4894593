"""The Dagger-shaped Container that hooks receive: an immutable recipe of operations that can be awaited.

Knows nothing of images or of how operations are carried out: questions go to a function it is given. It imports
only the standard library, because the hook's own process loads this file as its `dagger` module.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

Json = Any
T = TypeVar("T")


@dataclass(frozen=True)
class Exec:
    """Run a command; a non-zero exit code is an error. `arguments` is the whole argv."""

    arguments: tuple[str, ...]
    stdin: str = ""
    use_entrypoint: bool = False


@dataclass(frozen=True)
class SetVariable:
    name: str
    value: str
    expand: bool = False


@dataclass(frozen=True)
class UnsetVariable:
    name: str


@dataclass(frozen=True)
class WriteFile:
    """A text file; `owner` is `user[:group]`, empty for root."""

    path: str
    contents: str
    permissions: int = 0o644
    owner: str = ""


@dataclass(frozen=True)
class SetUser:
    user: str


@dataclass(frozen=True)
class SetWorkdir:
    path: str


@dataclass(frozen=True)
class SetLabel:
    name: str
    value: str


@dataclass(frozen=True)
class UnsetLabel:
    name: str


@dataclass(frozen=True)
class SetEntrypoint:
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class SetDefaultArguments:
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class AddLayer:
    """A layer that exists already; `layer` is its JSON form. Not offered to hooks."""

    layer: str
    comment: str = ""


Operation = (
    Exec
    | SetVariable
    | UnsetVariable
    | WriteFile
    | SetUser
    | SetWorkdir
    | SetLabel
    | UnsetLabel
    | SetEntrypoint
    | SetDefaultArguments
    | AddLayer
)
_KINDS: Mapping[str, Any] = {kind.__name__: kind for kind in get_args(Operation)}


def to_json(operation: Operation) -> dict[str, Json]:
    """The operation as data, for the pipe, for keys and for the record in the plan."""
    return {"operation": type(operation).__name__, **dataclasses.asdict(operation)}


def from_json(document: Mapping[str, Json]) -> Operation:
    """The operation that `to_json` wrote; raises ValueError for anything else."""
    if not isinstance(document, Mapping):
        raise ValueError(f"an operation that is not an object: {document!r:.80}")
    fields = dict(document)
    kind = _KINDS.get(str(fields.pop("operation", "")))
    if kind is None:
        raise ValueError(f"unknown operation in {document!r:.80}")
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = tuple(value)
    try:
        operation: Operation = kind(**fields)
    except TypeError as error:
        raise ValueError(str(error)) from error
    for field in dataclasses.fields(operation):
        if not _fits(field.type, value := getattr(operation, field.name)):
            raise ValueError(f"{kind.__name__} has {value!r:.80} as its {field.name}")
    return operation


def _fits(kind: object, value: object) -> bool:
    """Whether a value that came as JSON is of a field's type, and text can be written as UTF-8."""
    if kind == tuple[str, ...]:
        return isinstance(value, tuple) and all(_fits(str, item) for item in value)
    if kind is str and isinstance(value, str):
        return value.isascii() or value == value.encode(errors="replace").decode()
    return type(value) is kind


@dataclass(frozen=True)
class Question:
    """Something only an evaluation can answer: `about` is stdout, file, entries, variable, …"""

    about: str
    operations: tuple[Operation, ...]
    argument: str = ""


Ask = Callable[[Question], Json]


class Unsupported(AttributeError):
    """The hook used a part of Dagger's API that is not provided; the message names it."""


class _Awaitable:
    """`await x` gives x itself: nothing has to happen before a question is asked."""

    def __await__(self: T) -> Generator[None, None, T]:
        return self
        yield  # makes this a generator function

    def __getattr__(self, name: str) -> Json:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unsupported(f"{type(self).__name__}.{name} is not provided by airbyte-ci")


@dataclass(frozen=True)
class Container(_Awaitable):
    """An image in the making. Every `with_…` returns a new one; nothing runs until something is asked."""

    operations: tuple[Operation, ...] = ()
    ask: Ask | None = dataclasses.field(default=None, compare=False, repr=False)

    def _then(self, operation: Operation) -> "Container":
        return dataclasses.replace(self, operations=(*self.operations, operation))

    def _question(self, about: str, argument: str = "") -> Json:
        if self.ask is None:
            raise RuntimeError("this container is a recipe only; nothing can answer questions about it")
        return self.ask(Question(about, self.operations, argument))

    # --- what happens in the image ---------------------------------------------------------------

    def with_exec(
        self,
        args: Sequence[str],
        skip_entrypoint: bool | None = None,  # noqa: ARG002  # accepted: not prepending is our only default
        *,
        stdin: str | None = None,
        use_entrypoint: bool | None = None,
    ) -> "Container":
        """Runs a command. The image's entrypoint is prepended only when `use_entrypoint` is true."""
        if isinstance(args, str) or not all(isinstance(argument, str) for argument in args):
            raise TypeError("with_exec takes a list of strings")
        return self._then(Exec(tuple(args), stdin or "", bool(use_entrypoint)))

    def with_new_file(
        self, path: str, contents: str = "", permissions: int | None = None, owner: str | None = None
    ) -> "Container":
        return self._then(WriteFile(path, contents, 0o644 if permissions is None else permissions, owner or ""))

    def with_(self, transform: "Callable[[Container], Container]") -> "Container":
        return transform(self)

    # --- how the image runs ----------------------------------------------------------------------

    def with_env_variable(self, name: str, value: str, expand: bool | None = None) -> "Container":
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"with_env_variable takes two strings, not {name!r} and {value!r}")
        return self._then(SetVariable(name, value, bool(expand)))

    def without_env_variable(self, name: str) -> "Container":
        return self._then(UnsetVariable(name))

    def with_user(self, name: str) -> "Container":
        return self._then(SetUser(name))

    def without_user(self) -> "Container":
        return self._then(SetUser(""))

    def with_workdir(self, path: str, expand: bool | None = None) -> "Container":
        if expand:
            raise Unsupported("with_workdir(expand=True) is not provided by airbyte-ci")
        return self._then(SetWorkdir(path))

    def with_label(self, name: str, value: str) -> "Container":
        return self._then(SetLabel(name, value))

    def without_label(self, name: str) -> "Container":
        return self._then(UnsetLabel(name))

    def with_entrypoint(self, args: Sequence[str], keep_default_args: bool | None = None) -> "Container":
        changed = self._then(SetEntrypoint(tuple(args)))
        return changed if keep_default_args else changed._then(SetDefaultArguments(()))

    def without_entrypoint(self, keep_default_args: bool | None = None) -> "Container":
        return self.with_entrypoint((), keep_default_args)

    def with_default_args(self, args: Sequence[str]) -> "Container":
        return self._then(SetDefaultArguments(tuple(args)))

    # --- questions -------------------------------------------------------------------------------

    async def stdout(self) -> str:
        """What the last command printed; runs everything before it."""
        return str(self._question("stdout"))

    async def stderr(self) -> str:
        return str(self._question("stderr"))

    async def exit_code(self) -> int:
        return int(self._question("exit_code"))

    async def sync(self) -> "Container":
        """Carries out the recipe so far."""
        self._question("sync")
        return self

    async def env_variable(self, name: str) -> str | None:
        value = self._question("variable", name)
        return None if value is None else str(value)

    async def user(self) -> str:
        return str(self._question("user"))

    async def workdir(self) -> str:
        return str(self._question("workdir"))

    async def entrypoint(self) -> list[str]:
        return [str(argument) for argument in self._question("entrypoint")]

    async def label(self, name: str) -> str | None:
        value = self._question("label", name)
        return None if value is None else str(value)

    async def platform(self) -> str:
        return str(self._question("platform"))

    def file(self, path: str) -> "File":
        return File(self, path)

    def directory(self, path: str) -> "Directory":
        return Directory(self, path)


@dataclass(frozen=True)
class File(_Awaitable):
    """A file of a container."""

    container: Container
    path: str

    async def contents(self) -> str:
        return str(self.container._question("file", self.path))

    async def size(self) -> int:
        return len((await self.contents()).encode())


@dataclass(frozen=True)
class Directory(_Awaitable):
    """A folder of a container."""

    container: Container
    path: str

    async def entries(self) -> list[str]:
        return [str(name) for name in self.container._question("entries", self.path)]

    def file(self, path: str) -> File:
        return File(self.container, f"{self.path.rstrip('/')}/{path}")
