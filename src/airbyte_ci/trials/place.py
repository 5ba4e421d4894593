"""The place where a step runs: the connector's image, and files beside it that are gone with the step.

Everything lies in the upper folder of the sandbox's overlay, so no layer and no image ever has it.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from airbyte_ci.build import source
from airbyte_ci.connectors import folder_files
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container import sandbox
from airbyte_ci.container.sandbox import Command, Finished, Mount, Network, Purpose
from airbyte_ci.container.tree import Tree
from airbyte_ci.oci.store import Store

# Where what is written into the place lies in the container.
FILES = ".airbyte-ci/files"
REPORTS = "/.airbyte-ci/reports"
_REPORTS = Purpose(
    "reports of a connector's tests",
    "output",
    "an empty folder in the step's own scratch folder",
    f"`{REPORTS}`",
    "nobody",
)


@dataclass(frozen=True, slots=True)
class Place:
    """The image's root and the command that its configuration makes; `mounts` are what the person lends.

    `timeout` is in seconds.
    """

    store: Store
    tree: Tree
    command: Command
    mounts: tuple[Mount, ...] = ()
    timeout: float = 600

    def run(
        self,
        arguments: tuple[str, ...],
        network: Network,
        *,
        files: Mapping[str, bytes] | None = None,
        fill: Callable[[Path], None] = lambda _: None,
        mounts: tuple[Mount, ...] = (),
        variables: Mapping[str, str] | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Runs the arguments after the command's own; what it writes is thrown away. Raises SandboxError.

        `files` are by their posix path from the root, readable by the image's user only; `fill` puts further ones.
        """
        command = replace(
            self.command,
            arguments=(*self.command.arguments, *arguments),
            environment={**self.command.environment, **(variables or {})},
            network=network,
            mounts=(*self.mounts, *mounts),
            timeout=self.timeout,
            heard=heard,
        )
        with self.store.scratch() as folder:
            upper = folder / "upper"
            upper.mkdir()
            fill(upper)
            for path, content in (files or {}).items():
                self.write(upper, path, content)
            return sandbox.run(self.store, self.tree, command, upper=upper)

    @contextlib.contextmanager
    def reports(self) -> Iterator[tuple[Path, Mount]]:
        """A folder of this machine that the image's user may write to, at REPORTS."""
        with self.store.scratch() as folder:
            os.chown(folder, self.command.uid, self.command.gid)
            yield folder, Mount(folder, REPORTS, writable=True, purpose=_REPORTS)

    def write(self, upper: Path, path: str, content: bytes) -> None:
        """A file for the image's user alone."""
        self._folder(upper, PurePosixPath(path).parent)
        target = upper / path
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
            file.write(content)
        os.chown(target, self.command.uid, self.command.gid)

    def copy(self, upper: Path, connector: Connector, main: str) -> None:
        """Adds the connector's tests, their data and pyproject.toml next to its code; no secrets and no tools' caches.

        Its main file and its package are the image's own, which the tests are about. Raises ConnectorError.
        """
        own = {main, connector.package}
        self._folder(upper, PurePosixPath(source.CODE))
        for item in folder_files.walk(connector.folder):
            if item.is_folder or own.intersection((item.path, item.path.partition("/")[0])):
                continue
            place = PurePosixPath(source.CODE) / item.path
            self._folder(upper, place.parent)
            shutil.copyfile(item.disk, upper / place, follow_symlinks=False)
            if not item.is_link:
                (upper / place).chmod(item.mode)
            os.chown(upper / place, self.command.uid, self.command.gid, follow_symlinks=False)

    def _folder(self, upper: Path, path: PurePosixPath) -> None:
        """Folders that the image has keep their owner and mode; others are the image's user's."""
        parts = path.parts
        for depth in range(1, len(parts) + 1):
            place = PurePosixPath(*parts[:depth])
            if (upper / place).is_dir():
                continue
            (upper / place).mkdir()
            node = self.tree.resolve(str(place), follow_last=False)
            uid, gid, mode = self.command.uid, self.command.gid, 0o755
            if node and node.is_dir:
                uid, gid, mode = node.status.st_uid, node.status.st_gid, stat.S_IMODE(node.status.st_mode)
            os.chown(upper / place, uid, gid)
            (upper / place).chmod(mode)
