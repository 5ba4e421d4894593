"""The module-level API of `import dagger`: `dag`, `Client`, connections and errors, without an engine."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .container import Container
from .directory import Directory, File
from .operations import Ask, Content, Filter, NewFile, NewFolder, NewLink
from .values import Awaitable, CacheVolume, Platform, Secret, Unsupported, refuse_flags

if TYPE_CHECKING:
    from pathlib import Path

# A connector's folder is sent inside the recipe and recorded with it.
_SIZE_LIMIT = 16 << 20
# See `hooks.module_root`.
_HIDDEN = "/airbyte-ci/hidden"


class DaggerError(Exception):
    """The base of Dagger's errors. Only a failed command raises one; other problems end the hook."""


class QueryError(DaggerError): ...


class ExecError(QueryError):
    """A command ended with an unexpected exit code; a hook may catch this error."""

    def __init__(
        self, message: str, command: Sequence[str] = (), exit_code: int = 0, stdout: str = "", stderr: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.command = list(command)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


class ProvisionError(DaggerError): ...


class Config:
    """Settings of a connection; no engine uses them."""

    def __init__(self, **settings: object) -> None:
        self.settings = settings


class HostVariable(Awaitable):
    def __init__(self, name: str) -> None:
        self._name = name

    async def value(self) -> str:
        """Returns the variables passed to hooks; other variables of this machine are hidden."""
        return os.environ.get(self._name, "")


class Host(Awaitable):
    """Returns the part of this machine that a hook may read: the connector's own folder."""

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask

    def directory(
        self,
        path: str,
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        no_cache: bool | None = None,  # noqa: ARG002  # nothing is kept between builds
        gitignore: bool | None = None,
    ) -> Directory:
        refuse_flags("Host.directory", gitignore=gitignore)
        found = _contents(_path(path))
        if include or exclude:
            found = (*found, Filter(tuple(include or ()), tuple(exclude or ())))
        return Directory(found, self._ask)

    def workdir(self, exclude: Sequence[str] | None = None, include: Sequence[str] | None = None) -> Directory:
        return self.directory(".", exclude, include)

    def file(self, path: str, no_cache: bool | None = None) -> File:  # noqa: ARG002
        place = _path(path)
        return Directory((_file(place, place.name),), self._ask).file(place.name)

    def env_variable(self, name: str) -> HostVariable:
        return HostVariable(name)


class Client(Awaitable):
    """The entry point of the API: `dag`, or the result of a connection. `ask` answers its questions."""

    ask: Ask | None = None

    def host(self) -> Host:
        return Host(self.ask)

    def directory(self) -> Directory:
        return Directory((), self.ask)

    def file(self, name: str, contents: str, permissions: int | None = None) -> File:
        return self.directory().with_new_file(name, contents, permissions).file(name)

    def cache_volume(self, key: str) -> CacheVolume:
        return CacheVolume(key)

    def set_secret(self, name: str, plaintext: str) -> Secret:
        return Secret(name, plaintext)

    async def default_platform(self) -> Platform:
        raise Unsupported("Client.default_platform is not provided by airbyte-ci: ask the container for its platform")

    def container(self, *_: object, **__: object) -> Container:
        raise Unsupported(
            "Client.container is not provided by airbyte-ci: hooks must use the container that they receive"
        )

    def pipeline(self, name: str, description: str | None = None, labels: object = None) -> "Client":  # noqa: ARG002
        return self


class Connection:
    """`async with dagger.Connection() as client`."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config

    async def __aenter__(self) -> Client:
        return dag

    async def __aexit__(self, *_: object) -> None:
        return None


def connection(config: Config | None = None) -> Connection:
    return Connection(config)


connect = connection
dag = Client()


# --- the connector's folder, as data --------------------------------------------------------------


def _path(path: str) -> "Path":
    # Imported here because it is slow and few hooks read a file.
    from pathlib import Path

    return Path(path)


def _contents(folder: "Path") -> tuple[Content, ...]:
    found: list[Content] = []
    size = 0
    hidden = _hidden()
    for parent, folders, names in os.walk(folder):
        place = _path(parent)
        folders[:] = sorted(name for name in folders if _identity(place / name) not in hidden)
        names = [name for name in names if _identity(place / name) not in hidden]
        relative = str(place.relative_to(folder))
        if relative != ".":
            found.append(NewFolder(relative))
        for name in sorted([*names, *(name for name in folders if (place / name).is_symlink())]):
            content = _file(place / name, str((place / name).relative_to(folder)))
            size += len(content.contents) if isinstance(content, NewFile) else 0
            if size > _SIZE_LIMIT:
                raise ValueError(
                    f"{folder} is larger than {_SIZE_LIMIT >> 20} MiB; include only the files that are needed"
                )
            found.append(content)
    if not found and not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder next to the hook")
    return tuple(found)


def _hidden() -> set[tuple[int, int]]:
    """The empty file and the empty folder that are mounted over secrets and caches: their names are not listed."""
    return {_identity(place) for name in ("file", "folder") if (place := _path(_HIDDEN) / name).exists()}


def _identity(place: "Path") -> tuple[int, int]:
    status = place.lstat()
    return status.st_dev, status.st_ino


def _file(place: "Path", path: str) -> NewFile | NewLink:
    import base64

    if place.is_symlink():
        return NewLink(path, str(place.readlink()))
    # As for the connector's own code: only the executable bit is kept, not this machine's umask.
    executable = place.stat().st_mode & 0o100
    encoded = base64.b64encode(place.read_bytes()).decode()
    return NewFile(path, encoded, 0o755 if executable else 0o644, encoded=True)
