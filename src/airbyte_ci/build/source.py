"""A connector's own code as layer entries: its main file and its package, and nothing else of its folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci import tar
from airbyte_ci.oci.tar import Entry

# Where the original put the code; connectors' own texts refer to it.
CODE = "airbyte/integration_code"
DEFAULT_MAIN = "main.py"
_LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".DS_Store"})


def entries(connector: Connector, main_file: str) -> list[Entry]:
    """The layer's entries; raises ConnectorError when the main file or the package is not there."""
    main = _main(connector, main_file)
    package = connector.folder / connector.package
    if not package.is_dir() or package.is_symlink():
        raise ConnectorError(
            f"building {connector.name}: its package {connector.relative}/{connector.package}/ is not a folder there",
            advice=f"the package of {connector.name} must be called {connector.package}",
        )
    place = f"{CODE}/{main_file}"
    found = {CODE: tar.directory(CODE), place: _file(main, place)}
    found |= {path: tar.directory(path) for path in tar.parents(place) if path.startswith(f"{CODE}/")}
    found |= {entry.path: entry for entry in _walk(package, f"{CODE}/{connector.package}")}
    return tar.sorted_entries(found.values())


def _main(connector: Connector, main_file: str) -> Path:
    path = connector.folder / main_file
    if not path.resolve().is_relative_to(connector.folder.resolve()) or not path.is_file():
        raise ConnectorError(
            f"building {connector.name}: its main file {connector.relative}/{main_file} does not exist",
            advice="add it, or set MAIN_FILE_NAME in build_customization.py",
        )
    return path


def _walk(folder: Path, place: str) -> Iterator[Entry]:
    yield tar.directory(place)
    for item in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if item.name in _LEFT_OUT or item.name.endswith((".pyc", ".pyo")):
            continue
        path, target = Path(item.path), f"{place}/{item.name}"
        if item.is_symlink():
            yield tar.symlink(target, str(path.readlink()))
        elif item.is_dir():
            yield from _walk(path, target)
        elif item.is_file():
            yield _file(path, target)


def _file(path: Path, place: str) -> Entry:
    # The umask of whoever checked the code out must not show: only "executable or not" is of the source.
    executable = path.stat().st_mode & stat.S_IXUSR
    return Entry(place, mode=0o755 if executable else 0o644, content=path.read_bytes())
