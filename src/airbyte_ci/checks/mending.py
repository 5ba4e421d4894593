"""The commands that fix what a check finds, as a person would type them."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.checks.rule import Location
from airbyte_ci.connectors.connector import Connector


@dataclass(frozen=True, slots=True)
class Mending:
    """`root` is the repository's root and `here` the current directory; both are absolute.

    `pull_request` is the one that the checks run for, if any. The commands put its number into the changelog, unless
    the repository has no changelogs (`has_changelog`).
    """

    root: Path
    here: Path
    pull_request: int | None = None
    has_changelog: bool = True

    def build(self, connector: Connector) -> str:
        return _command(connector, "build")

    def test(self, connector: Connector) -> str:
        return _command(connector, "test")

    def migrate(self, connector: Connector) -> str:
        return _command(connector, "migrate_to_base_image", *self._number())

    def set_base(self, connector: Connector) -> str:
        """Names the newest base image of the connector's language where metadata.yaml names none."""
        return _command(connector, "upgrade_base_image", *self._number(), "--set-if-not-exists=true")

    def upgrade(self, connector: Connector, to: str = "") -> str:
        """Upgrades to the newest version of the same major version; `to` is another version or `latest`."""
        return _command(connector, "upgrade_base_image", *self._number(), *(("--to", to) if to else ()))

    def bump(self, connector: Connector, kind: str) -> str:
        """`kind` is patch, rc or version:X; version:X with the current version only adds its changelog row."""
        if not self.has_changelog:
            return _command(connector, "bump_version", kind)
        return _command(connector, "bump_version", kind, *self._number(), "what changed")

    def edit(self, place: Location) -> str:
        """Returns the command that opens the file in the user's editor."""
        return f"$EDITOR {f'+{place.line} ' if place.line else ''}{self.path(place.path)}"

    def path(self, path: str) -> str:
        """Returns a path below the root, relative to the current directory."""
        return shlex.quote(os.path.relpath(self.root / path, self.here))

    def _number(self) -> tuple[str, ...]:
        return (str(self.pull_request),) if self.pull_request and self.has_changelog else ()


def _command(connector: Connector, *words: str) -> str:
    return shlex.join(["airbyte-ci", "connectors", f"--name={connector.name}", *words])
