"""A connector's own code as entries of a layer: the main file and the package, and nothing else of its folder.

For a manifest-only connector, it is the manifest and its components, placed where the framework's image looks for them.
Light to import.
"""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from airbyte_ci.connectors import folder_files, hidden_files
from airbyte_ci.connectors.connector import COMPONENTS, MANIFEST, MANIFEST_ONLY, MANIFEST_PACKAGE, Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry

# Where the original put the code; connectors' own texts refer to it.
CODE = "airbyte/integration_code"


def entries(connector: Connector, main_file: str, owner: tuple[int, ...] = (0, 0)) -> list[Entry]:
    """The layer's entries; raises ConnectorError for a file or folder that is missing.

    `owner` is (uid, gid): connectors write next to their code, so it belongs to the user that they run as.
    """
    is_manifest = connector.language == MANIFEST_ONLY
    found = _manifest_entries(connector) if is_manifest else _package_entries(connector, main_file)
    uid, gid = owner
    return tar.sorted_entries(replace(entry, uid=uid, gid=gid) for entry in found.values())


def _manifest_entries(connector: Connector) -> dict[str, Entry]:
    package = connector.folder / connector.package
    # What caches and editors left of a removed package is none.
    if connector.package in connector.names and package.is_dir() and any(folder_files.walk(package)):
        raise ConnectorError(
            f"cannot build {connector.name}: {connector.place} has both {MANIFEST} and the package "
            f"{connector.package}/",
            advice=f"remove the package, or move {MANIFEST} into it",
        )
    folder = f"{CODE}/{MANIFEST_PACKAGE}"
    found = {CODE: tar.directory(CODE), folder: tar.directory(folder)}
    for name in (MANIFEST, COMPONENTS):
        path = connector.folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise ConnectorError(f"cannot build {connector.name}: {connector.relative}/{name} is not a regular file")
        if path.exists():
            found[f"{folder}/{name}"] = replace(_file(path, f"{folder}/{name}"), mode=0o644)
    return found


def _package_entries(connector: Connector, main_file: str) -> dict[str, Entry]:
    try:
        confirm(connector, main_file)
    except ConnectorError as error:
        raise ConnectorError(f"cannot build {connector.name}: {error.message}", advice=error.advice) from error
    main, package = connector.folder / main_file, connector.folder / connector.package
    place = f"{CODE}/{main_file}"
    found = {CODE: tar.directory(CODE), place: _file(main, place)}
    found |= {path: tar.directory(path) for path in tar.parents(place) if path.startswith(f"{CODE}/")}
    return found | {entry.path: entry for entry in _package(package, f"{CODE}/{connector.package}")}


def confirm(connector: Connector, main_file: str, *, is_drafted: bool = False) -> None:
    """Raises ConnectorError where the main file or the package is not there; a drafted main file comes later."""
    path = connector.folder / main_file
    if name := hidden_files.secret_part(PurePosixPath(main_file)):
        raise ConnectorError(
            f"its main file {connector.relative}/{main_file} is in {name}, which is never copied to an image"
        )
    is_inside = path.resolve().is_relative_to(connector.folder.resolve())
    if not is_drafted and not (is_inside and path.is_file()):
        raise ConnectorError(
            f"its main file {connector.relative}/{main_file} does not exist",
            advice="add it, or set MAIN_FILE_NAME in build_customization.py",
        )
    package = connector.folder / connector.package
    if not package.is_dir() or package.is_symlink():
        raise ConnectorError(
            f"its package {connector.relative}/{connector.package}/ is not a folder",
            advice=f"the package of {connector.name} must be called {connector.package}",
        )


def _package(folder: Path, place: str) -> Iterator[Entry]:
    yield tar.directory(place)
    for item in folder_files.walk(folder):
        target = f"{place}/{item.path}"
        if item.is_link:
            yield tar.symlink(target, str(item.disk.readlink()))
        elif item.is_folder:
            yield tar.directory(target)
        else:
            yield Entry(path=target, mode=item.mode, content=item.disk)


def _file(path: Path, place: str) -> Entry:
    # Independent of the user's umask: only "executable or not" is part of the source.
    executable = path.stat().st_mode & stat.S_IXUSR
    return Entry(path=place, mode=0o755 if executable else 0o644, content=path)
