"""The container of a step: the connector's image, and more files that are removed with the step.

All these files are in the upper folder of the sandbox's overlay, so they are never in a layer or an image.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from airbyte_ci.connectors import folder_files
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.images import source
from airbyte_ci.oci.store.store import Store
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox
from airbyte_ci.sandbox.command import Service
from airbyte_ci.sandbox.sandbox import Command, Finished, Mount, Network, Purpose

# The path of these files in the container.
FILES = ".airbyte-ci/files"
REPORTS = "/.airbyte-ci/reports"
_REPORTS = Purpose(
    "reports of a connector's tests",
    "output",
    source="an empty folder in the step's own scratch folder",
    target=f"`{REPORTS}`",
    written_by="none",
)


@dataclass(frozen=True, slots=True)
class StepSandbox:
    """The image's root and the command of its configuration; `mounts` are the folders of the user.

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
        service: Service | None = None,
    ) -> Finished:
        """Runs the command with the arguments and discards its changes. Raises SandboxError.

        `files` are keyed by posix path from the root, and readable only by the image's user; `fill` adds further ones.
        """
        command = replace(
            self.command,
            arguments=(*self.command.arguments, *arguments),
            environment={**self.command.environment, **(variables or {})},
            network=network,
            mounts=(*self.mounts, *mounts),
            timeout=self.timeout,
            heard=heard,
            service=service,
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
        """Mounts a folder of this machine that the image's user may write to, at REPORTS."""
        with self.store.scratch() as folder:
            os.chown(folder, self.command.uid, self.command.gid)
            yield folder, Mount(source=folder, target=REPORTS, writable=True, purpose=_REPORTS)

    def write(self, upper: Path, path: str, content: bytes) -> None:
        """Returns a file that only the image's user can read."""
        self._folder(upper, PurePosixPath(path).parent)
        target = upper / path
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
            file.write(content)
        os.chown(target, self.command.uid, self.command.gid)

    def copy(self, upper: Path, connector: Connector, main: str) -> None:
        """Adds the connector's tests, their data and pyproject.toml next to its code, without secrets and tools'
        caches.

        Its main file and its package stay those of the image, which the tests verify. Raises ConnectorError.
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
        """Folders of the image keep their owner and mode; others belong to the image's user."""
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
