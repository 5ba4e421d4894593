"""`AddCode`: a connector's own code as an operation, and the handler that evaluates it.

The code is the main file and the package, and nothing else of the connector's folder. For a manifest-only connector,
it is the manifest and its components, placed where the framework's image looks for them.
"""

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from airbyte_ci.connectors import folder_files, hidden_files, manifest
from airbyte_ci.connectors.connector import MANIFEST_ONLY, Connector
from airbyte_ci.dagger.operations import Operation
from airbyte_ci.dagger.record import value
from airbyte_ci.errors import ConnectorError, PlanError
from airbyte_ci.oci import tar
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.layer import Layer, layer_of
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.recipe.state import Step
from airbyte_ci.rootfs import users

# Where the original put the code; connectors' own texts refer to it.
CODE = "airbyte/integration_code"
DEFAULT_MAIN = "main.py"


@value
class AddCode(Operation):
    """Add the connector's own code.

    `layer` is the diffID of its layer, `main` the main file's place in `folder` (empty: the base image starts it), and
    `owner` who owns it in the image.
    """

    layer: Digest
    main: str
    folder: str
    owner: tuple[int, ...] = (0, 0)


@dataclass(slots=True)
class CodeReader:
    """Handles `AddCode`: reads the code from the connector's folder."""

    connector: Connector
    store: Store
    _read: dict[tuple[str, tuple[int, ...]], Layer] = field(default_factory=dict)

    def operation(self, main: str, owner: tuple[int, int]) -> AddCode:
        """The operation that adds the code as it is now; raises ConnectorError."""
        return AddCode(self._layer(main, owner).diff_id, main, CODE, owner)

    def __call__(self, _: Evaluator, _before: Sequence[Operation], operation: Operation) -> tuple[Step, ...]:
        """The code's layer; raises PlanError where the folder has other code than the operation names."""
        assert isinstance(operation, AddCode)
        layer = self._layer(operation.main, operation.owner)
        if layer.diff_id != operation.layer:
            raise PlanError(
                f"cannot build the plan of {self.connector.name}: the code in {self.connector.relative} differs from "
                "the code in the plan",
                advice="check out the commit for which the plan was created",
            )
        return (Step(layer, "copy the connector's code"),)

    def _layer(self, main: str, owner: tuple[int, ...]) -> Layer:
        if (main, owner) not in self._read:
            self._read[main, owner] = layer_of(self.store, entries(self.connector, main, owner))
        return self._read[main, owner]


def entries(connector: Connector, main_file: str, owner: tuple[int, ...] = (0, 0)) -> list[Entry]:
    """The layer's entries; raises ConnectorError for a file or folder that is missing.

    `owner` is (uid, gid): connectors write next to their code, so it belongs to the user that they run as.
    """
    is_manifest = connector.language == MANIFEST_ONLY
    found = _manifest_entries(connector) if is_manifest else _package_entries(connector, main_file)
    uid, gid = owner
    return tar.sorted_entries(replace(entry, uid=uid, gid=gid) for entry in found.values())


def default_main(connector: Connector, base: Base) -> str:
    """The main file that starts the connector; empty where the framework's image starts a manifest by itself."""
    return "" if connector.language == MANIFEST_ONLY and base.image.config.execution.get("Entrypoint") else DEFAULT_MAIN


def _manifest_entries(connector: Connector) -> dict[str, Entry]:
    package = connector.folder / connector.package
    # What caches and editors left of a removed package is none.
    if connector.package in connector.names and package.is_dir() and any(folder_files.walk(package)):
        raise ConnectorError(
            f"cannot build {connector.name}: {connector.relative} has both {manifest.MANIFEST} and the package "
            f"{connector.package}/",
            advice=f"remove the package, or move {manifest.MANIFEST} into it",
        )
    folder = f"{CODE}/{manifest.PACKAGE}"
    found = {CODE: tar.directory(CODE), folder: tar.directory(folder)}
    for name in (manifest.MANIFEST, manifest.COMPONENTS):
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


def owner(store: Store, base: Base) -> tuple[int, int]:
    """Returns the image's user (uid, gid), looked up in the base's own accounts, once per base; root is (0, 0)."""
    user = str(base.image.config.execution.get("User") or "")
    if user in ("", "0", "root", "0:0"):
        return (0, 0)
    layers = [str(item) for item in base.image.config.diff_ids]

    def make() -> dict[str, int]:
        evaluator = Evaluator(store, base.image, bring=base.bring)
        found = users.resolve(evaluator.tree(evaluator.state(())), user)
        return {"uid": found.uid, "gid": found.gid}

    known = store.reuse("owner", 1, {"layers": layers, "user": user}, make)
    return int(known["uid"]), int(known["gid"])


def _package(folder: Path, place: str) -> Iterator[Entry]:
    yield tar.directory(place)
    for item in folder_files.walk(folder):
        target = f"{place}/{item.path}"
        if item.is_link:
            yield tar.symlink(target, str(item.disk.readlink()))
        elif item.is_folder:
            yield tar.directory(target)
        else:
            yield Entry(target, mode=item.mode, content=item.disk)


def _file(path: Path, place: str) -> Entry:
    # Independent of the user's umask: only "executable or not" is part of the source.
    executable = path.stat().st_mode & stat.S_IXUSR
    return Entry(place, mode=0o755 if executable else 0o644, content=path)
