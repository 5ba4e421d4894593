"""A declaration (build_customization.yaml) as operations on containers; runs nothing.

Defines the commands for Debian's package manager, not the time at which operations apply.
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.connectors import folder_files, hidden_files
from airbyte_ci.connectors.customization import Customization, ImageFile
from airbyte_ci.dagger import (
    Content,
    Copy,
    Exec,
    KeptFile,
    Narrow,
    NewFolder,
    NewLink,
    Operation,
    SetUser,
    SetVariable,
    SetWorkdir,
    WriteFile,
)
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci.digest import Digest, chunks
from airbyte_ci.oci.store.store import Store

# One step: the downloaded package lists are removed at its end, and no question waits for an answer.
_INSTALL = (
    "export DEBIAN_FRONTEND=noninteractive && apt-get update && "
    "apt-get install --yes --no-install-recommends {names} && rm -rf /var/lib/apt/lists/*"
)


@dataclass(frozen=True, slots=True)
class Declared:
    """The parts of a declaration: before and after the install, and only for compiling Python packages."""

    before: tuple[Operation, ...] = ()
    building: tuple[Operation, ...] = ()
    after: tuple[Operation, ...] = ()
    user: str | None = None


def declared(asked: Customization, folder: Path, user: str, store: Store) -> Declared:
    """Returns the operations; `folder` is the connector's, `user` the base image's user (empty: root).

    Files of the folder are copied to the store, and the operations name them by digest: they can be large. Raises
    ConnectorError for a source that is missing or outside the folder.
    """
    after = _made(asked.post_install, folder, user, store) if asked.post_install else ()
    if asked.workdir:
        after = (*after, SetWorkdir(asked.workdir))
    if asked.user:
        after = (*after, SetUser(asked.user))
    return Declared(_made(asked, folder, user, store), tuple(installed(asked.build_packages, user)), after, asked.user)


def kept_files(operations: Iterable[Operation]) -> Iterator[str]:
    """Returns the digests (hex) of the files that such operations name."""
    for operation in operations:
        if isinstance(operation, Copy):
            yield from (content.digest for content in operation.contents if isinstance(content, KeptFile))


def installed(packages: tuple[str, ...], user: str) -> Iterator[Operation]:
    """Returns the operations that install Debian packages as root, for any user of the image."""
    if not packages:
        return
    is_root = user.partition(":")[0] in ("", "0", "root")
    if not is_root:
        yield SetUser("root")
    yield Exec(("sh", "-c", _INSTALL.format(names=" ".join(sorted(packages)))))
    if not is_root:
        yield SetUser(user)


def _made(asked: Customization, folder: Path, user: str, store: Store) -> tuple[Operation, ...]:
    return (
        *installed(asked.system_packages, user),
        *(SetVariable(name, value) for name, value in asked.env.items()),
        *(_file(path, item, folder, store) for path, item in asked.files.items()),
    )


def _file(path: str, item: ImageFile, folder: Path, store: Store) -> Operation:
    mode = int(item.mode, 8) if item.mode else None
    if item.source is None:
        return WriteFile(path, item.content or "", 0o644 if mode is None else mode)
    source = folder / item.source
    if not source.resolve().is_relative_to(folder.resolve()) or not source.exists():
        raise ConnectorError(
            f"cannot read build_customization.yaml of {folder.name}: files.{path}: {item.source} does not exist in "
            "the connector's folder"
        )
    resolved = source.resolve().relative_to(folder.resolve())
    if (name := hidden_files.secret_part(resolved)) or (source.is_file() and hidden_files.is_secret(source.resolve())):
        raise ConnectorError(
            f"cannot read build_customization.yaml of {folder.name}: files.{path}: {item.source} is a secret "
            f"({name or resolved.name}), which must not be in an image",
            advice="pass it to the connector in its configuration",
        )
    if source.is_dir():
        return Copy(path, tuple(_below(source, mode, store)))
    return Copy(path, (_content(source, source.name, mode, store), Narrow(source.name, file=True)))


def _below(folder: Path, mode: int | None, store: Store) -> Iterator[Content]:
    for item in folder_files.walk(folder):
        if item.is_link:
            yield NewLink(item.path, str(item.disk.readlink()))
        elif item.is_folder:
            yield NewFolder(item.path)
        else:
            yield _content(item.disk, item.path, mode, store)


def _content(path: Path, place: str, mode: int | None, store: Store) -> KeptFile:
    if mode is None:
        # As for code: only the executable bit comes from the source; the umask of a checkout must not matter.
        mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
    return KeptFile(place, _keep(path, store).hex, mode)


def _keep(path: Path, store: Store) -> Digest:
    """Stores the file's bytes; reads them a second time only if they are new."""
    with path.open("rb") as file:
        digest = Digest.of_stream(file)
        if store.has(digest):
            return digest
        file.seek(0)
        with store.writer(size=path.stat().st_size) as writer:
            for chunk in chunks(file):
                writer.write(chunk)
    return writer.digest
