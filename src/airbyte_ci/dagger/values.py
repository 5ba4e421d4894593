"""The common base of the API's values, and the small ones: secrets, caches, variables, enumerations."""

import enum
from collections.abc import Generator, Sequence
from typing import TypeVar

from .operations import Json
from .record import value

T = TypeVar("T")


class Unsupported(AttributeError):
    """The hook used an unsupported part of Dagger's API; the message names it."""


class Awaitable:
    """Makes `await x` return x itself: no work is needed before a question."""

    def __await__(self: T) -> Generator[None, None, T]:
        return self
        yield  # This makes it a generator function.

    def __getattr__(self, name: str) -> Json:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unsupported(f"{type(self).__name__}.{name} is not provided by airbyte-ci")


def refuse_flags(method: str, **flags: object) -> None:
    """Raises Unsupported for options that would change a step's meaning; they must not be ignored silently."""
    for name, given in flags.items():
        if given:
            raise Unsupported(f"{method}({name}=…) is not provided by airbyte-ci")


def texts(method: str, values: object) -> tuple[str, ...]:
    """Returns a list of strings; a single string is a mistake, because it would be split into letters."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{method} takes a list of strings, not {values!r:.80}")
    if not all(isinstance(item, str) for item in values):
        raise TypeError(f"{method} takes a list of strings, not {list(values)!r:.80}")
    return tuple(values)


def text(method: str, found: object) -> str:
    if not isinstance(found, str):
        raise TypeError(f"{method} takes a string, not {found!r:.80}")
    return found


@value
class Secret(Awaitable):
    """A value that commands may see and that no image, plan or message contains."""

    _name: str
    _value: str
    _hidden = ("_value",)

    @property
    def _digest(self) -> str:
        import hashlib

        return hashlib.sha256(self._value.encode()).hexdigest()

    async def name(self) -> str:
        return self._name

    async def plaintext(self) -> str:
        return self._value


@value
class CacheVolume(Awaitable):
    """A folder that all builds with the same store share under this name."""

    _key: str


@value
class EnvVariable(Awaitable):
    _name: str
    _value: str

    async def name(self) -> str:
        return self._name

    async def value(self) -> str:
        return self._value


class Label(EnvVariable):
    """A label of the image's configuration."""


class Platform(str):
    """`linux/amd64`."""

    __slots__ = ()


class ReturnType(enum.StrEnum):
    """The exit codes of a command that are not errors."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    ANY = "ANY"


class CacheSharingMode(enum.StrEnum):
    SHARED = "SHARED"
    PRIVATE = "PRIVATE"
    LOCKED = "LOCKED"


class NetworkProtocol(enum.StrEnum):
    TCP = "TCP"
    UDP = "UDP"


class ImageLayerCompression(enum.StrEnum):
    Gzip = "Gzip"
    Zstd = "Zstd"
    EStarGZ = "EStarGZ"
    Uncompressed = "Uncompressed"


class ImageMediaTypes(enum.StrEnum):
    OCIMediaTypes = "OCIMediaTypes"
    DockerMediaTypes = "DockerMediaTypes"
