"""Operations, contents and questions: the steps of a hook's Container as data that can be sent and parsed."""

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from .record import names_of, replaced, value

Json = Any
_NONE: Mapping[str, str] = {}


# --- contents: where the files of a Directory or File come from, step by step ---------------------


@value
class FromContainer:
    """A folder or file of a container: its state `back` operations before this one, plus these operations."""

    operations: "tuple[Operation, ...]"
    path: str
    expand: bool = False
    back: int = 0


@value
class NewFile:
    """A file; `contents` is text, or base64 where `encoded`."""

    path: str
    contents: str
    permissions: int = 0o644
    encoded: bool = False


@value
class KeptFile:
    """A file whose bytes the store holds; `digest` is their sha256 (hex). Not available to hooks."""

    path: str
    digest: str
    permissions: int = 0o644


@value
class NewFolder:
    path: str
    permissions: int = 0o755


@value
class NewLink:
    path: str
    target: str


@value
class Insert:
    """Adds contents at a path below; `permissions` of -1 keeps modes."""

    path: str
    contents: "tuple[Content, ...]"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    permissions: int = -1


@value
class Narrow:
    """Selects this path as the new root; `file` requires a file."""

    path: str
    file: bool = False


@value
class Without:
    """Removes what these patterns match."""

    patterns: tuple[str, ...]


@value
class Filter:
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


Content = FromContainer | NewFile | KeptFile | NewFolder | NewLink | Insert | Narrow | Without | Filter


# --- operations on a container --------------------------------------------------------------------


class Operation:
    """One step on a container. Higher rooms add further kinds for their own recipes."""


@value
class Exec(Operation):
    """Run a command. `arguments` is the whole argv; `expect` is SUCCESS, FAILURE or ANY exit code.

    The `redirect_…` are files of the image.
    """

    arguments: tuple[str, ...]
    stdin: str = ""
    use_entrypoint: bool = False
    expect: str = "SUCCESS"
    redirect_stdin: str = ""
    redirect_stdout: str = ""
    redirect_stderr: str = ""
    expand: bool = False


@value
class SetVariable(Operation):
    name: str
    value: str
    expand: bool = False


@value
class UnsetVariable(Operation):
    name: str


@value
class SetSecretVariable(Operation):
    """A variable that commands see and the image does not contain; only the digest of its value is stored."""

    name: str
    secret: str
    digest: str


@value
class UnsetSecretVariable(Operation):
    name: str


@value
class WriteFile(Operation):
    """A text file; `owner` is `user[:group]`, empty for root."""

    path: str
    contents: str
    permissions: int = 0o644
    owner: str = ""
    expand: bool = False


@value
class Copy(Operation):
    """A folder's contents, or a file, at a path; an empty `owner` is root, `permissions` of -1 keeps the source's."""

    path: str
    contents: tuple[Content, ...]
    owner: str = ""
    permissions: int = -1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    expand: bool = False


@value
class MakeLink(Operation):
    path: str
    target: str
    expand: bool = False


@value
class Remove(Operation):
    """Removes the files and folders that these patterns match, if any."""

    paths: tuple[str, ...]
    expand: bool = False


@value
class MountContents(Operation):
    """Files that commands see and change, but that the image does not contain."""

    path: str
    contents: tuple[Content, ...]
    owner: str = ""
    expand: bool = False


@value
class MountCache(Operation):
    """A folder that all builds of one connector share; with `locked`, only one command at a time may use it."""

    path: str
    cache: str
    locked: bool = False
    owner: str = ""
    expand: bool = False


@value
class MountTemporary(Operation):
    """An empty folder for each command."""

    path: str
    size: int = 0
    expand: bool = False


@value
class MountSecret(Operation):
    path: str
    secret: str
    digest: str
    owner: str = ""
    permissions: int = 0o400
    expand: bool = False


@value
class Unmount(Operation):
    path: str
    expand: bool = False


@value
class SetUser(Operation):
    user: str


@value
class SetWorkdir(Operation):
    path: str
    expand: bool = False


@value
class SetLabel(Operation):
    name: str
    value: str


@value
class UnsetLabel(Operation):
    name: str


@value
class SetAnnotation(Operation):
    """An annotation of the image's manifest."""

    name: str
    value: str


@value
class UnsetAnnotation(Operation):
    name: str


@value
class SetEntrypoint(Operation):
    arguments: tuple[str, ...]


@value
class SetDefaultArguments(Operation):
    arguments: tuple[str, ...]


@value
class ExposePort(Operation):
    """`port` is `8080/tcp`."""

    port: str


@value
class UnexposePort(Operation):
    port: str


# Every operation that a hook can request, by name.
KINDS: Mapping[str, type[Operation]] = {kind.__name__: kind for kind in Operation.__subclasses__()}
_CONTENTS: Mapping[str, Any] = {kind.__name__: kind for kind in get_args(Content)}


@value
class Question:
    """A question that only an evaluation can answer: `about` is stdout, file, entries, variable, …

    For a folder or file that belongs to no container, `contents` describes it. `secrets` are values by digest.
    """

    about: str
    operations: tuple[Operation, ...]
    argument: str = ""
    contents: tuple[Content, ...] = ()
    secrets: Mapping[str, str] = _NONE
    _hidden = ("secrets",)


Ask = Callable[[Question], Json]


def relative(contents: tuple[Content, ...], own: tuple[Operation, ...]) -> tuple[Content, ...]:
    """Encodes contents for an operation after `own`: a number replaces their common operations."""
    return tuple(_relative(content, own) for content in contents)


def _relative(content: Content, own: tuple[Operation, ...]) -> Content:
    if isinstance(content, Insert):
        return replaced(content, contents=relative(content.contents, own))
    if not isinstance(content, FromContainer):
        return content
    theirs = content.operations
    shared = 0
    while shared < min(len(own), len(theirs)) and own[shared] == theirs[shared]:
        shared += 1
    return replaced(content, operations=theirs[shared:], back=len(own) - shared)


# --- as data --------------------------------------------------------------------------------------


def to_json(operation: Operation) -> dict[str, Json]:
    """Returns the operation as data, for the pipe, for keys and for the record in the plan."""
    return {"operation": type(operation).__name__, **_fields(operation)}


def contents_to_json(contents: tuple[Content, ...]) -> list[Json]:
    return [{"content": type(content).__name__, **_fields(content)} for content in contents]


def _fields(item: Operation | Content) -> dict[str, Json]:
    return {name: _plain(getattr(item, name)) for name in names_of(item)}


def _plain(item: Json) -> Json:
    if isinstance(item, tuple):
        return [_plain(one) for one in item]
    if isinstance(item, Operation):
        return to_json(item)
    if type(item).__name__ in _CONTENTS:
        return contents_to_json((item,))[0]
    return item.to_json() if hasattr(item, "to_json") else item


def from_json(document: Mapping[str, Json], kinds: Mapping[str, type[Operation]] = KINDS) -> Operation:
    """Parses an operation of one of the kinds; raises ValueError for anything else."""
    operation: Operation = _read(document, "operation", kinds)
    return operation


def contents_from_json(documents: Json) -> tuple[Content, ...]:
    """Parses the output of `contents_to_json`; raises ValueError for anything else."""
    if not isinstance(documents, list):
        raise ValueError(f"contents that are not a list: {documents!r:.80}")
    return tuple(_read(document, "content", _CONTENTS) for document in documents)


def _read(document: Json, key: str, kinds: Mapping[str, Any]) -> Json:
    if not isinstance(document, Mapping):
        raise ValueError(f"an {key} that is not an object: {document!r:.80}")
    fields = dict(document)
    kind = kinds.get(str(fields.pop(key, "")))
    if kind is None:
        raise ValueError(f"unknown {key} in {document!r:.80}")
    types = get_type_hints(kind)
    try:
        return kind(**{name: _value(kind, name, types.get(name), item) for name, item in fields.items()})
    except TypeError as error:
        raise ValueError(str(error)) from error


def _value(kind: type, name: str, expected: object, found: Json) -> Json:
    """Returns a field's value as its type; text must be encodable as UTF-8."""
    if get_origin(expected) is tuple and isinstance(found, list | tuple):
        (item, _) = get_args(expected)
        return tuple(_value(kind, name, item, one) for one in found)
    if expected == Operation:
        return from_json(found)
    if isinstance(expected, type) and hasattr(expected, "from_json"):
        return expected.from_json(found)
    if expected == Content:
        return _read(found, "content", _CONTENTS)
    if type(found) is not expected or (expected is str and found != found.encode(errors="replace").decode()):
        raise ValueError(f"{kind.__name__} has {found!r:.80} as its {name}")
    return found
