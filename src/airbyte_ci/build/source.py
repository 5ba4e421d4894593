"""A connector's own code as layer entries: its main file and its package, and nothing else of its folder."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from airbyte_ci.build.base import BaseImage
from airbyte_ci.connectors import folder_files, hidden_files
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container import users
from airbyte_ci.container.evaluate import Evaluator
from airbyte_ci.errors import ConnectorError
from airbyte_ci.oci import tar
from airbyte_ci.oci.store import Store, action_key
from airbyte_ci.oci.tar import Entry

# Where the original put the code; connectors' own texts refer to it.
CODE = "airbyte/integration_code"
DEFAULT_MAIN = "main.py"


def entries(connector: Connector, main_file: str, owner: tuple[int, int] = (0, 0)) -> list[Entry]:
    """The layer's entries; raises ConnectorError when the main file or the package is not there.

    `owner` is (uid, gid): connectors write beside their code, so it belongs to the user that they run as.
    """
    try:
        confirm(connector, main_file)
    except ConnectorError as error:
        raise ConnectorError(f"building {connector.name}: {error.message}", advice=error.advice) from error
    main, package = connector.folder / main_file, connector.folder / connector.package
    place = f"{CODE}/{main_file}"
    found = {CODE: tar.directory(CODE), place: _file(main, place)}
    found |= {path: tar.directory(path) for path in tar.parents(place) if path.startswith(f"{CODE}/")}
    found |= {entry.path: entry for entry in _package(package, f"{CODE}/{connector.package}")}
    uid, gid = owner
    return tar.sorted_entries(replace(entry, uid=uid, gid=gid) for entry in found.values())


def confirm(connector: Connector, main_file: str, *, is_drafted: bool = False) -> None:
    """Raises ConnectorError where the main file or the package is not there; a drafted main file comes later."""
    path = connector.folder / main_file
    if name := hidden_files.secret_part(PurePosixPath(main_file)):
        raise ConnectorError(f"its main file {connector.relative}/{main_file} is in {name}, which no image gets")
    is_inside = path.resolve().is_relative_to(connector.folder.resolve())
    if not is_drafted and not (is_inside and path.is_file()):
        raise ConnectorError(
            f"its main file {connector.relative}/{main_file} does not exist",
            advice="add it, or set MAIN_FILE_NAME in build_customization.py",
        )
    package = connector.folder / connector.package
    if not package.is_dir() or package.is_symlink():
        raise ConnectorError(
            f"its package {connector.relative}/{connector.package}/ is not a folder there",
            advice=f"the package of {connector.name} must be called {connector.package}",
        )


def owner(store: Store, base: BaseImage) -> tuple[int, int]:
    """Who the image's user is (uid, gid), looked up in the base's own accounts, once per base; root is (0, 0)."""
    user = str(base.image.config.execution.get("User") or "")
    if user in ("", "0", "root", "0:0"):
        return (0, 0)
    layers = [str(item) for item in base.image.config.diff_ids]
    key = action_key("owner", 1, {"layers": layers, "user": user})
    known = store.recall(key)
    if known is None:
        evaluator = Evaluator(store, base.image, bring=base.bring)
        found = users.resolve(evaluator.tree(evaluator.state(())), user)
        known = {"uid": found.uid, "gid": found.gid}
        store.remember(key, known)
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
    # The umask of whoever checked the code out must not show: only "executable or not" is of the source.
    executable = path.stat().st_mode & stat.S_IXUSR
    return Entry(place, mode=0o755 if executable else 0o644, content=path)
