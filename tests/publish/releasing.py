"""A repository with one tiny connector whose releases go to a registry, for tests of the whole command."""

import subprocess
from dataclasses import dataclass

from airbyte_ci.errors import BlobNotFound
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.reference import Reference
from airbyte_ci.testing.clients import quick_client
from tests.e2e.command import GIT, Result
from tests.e2e.tiny import NAME, Tiny


@dataclass
class Releasing:
    """A repository with one tiny connector on a base image of two platforms, and the registry for its releases."""

    tiny: Tiny
    prefix: str

    def publish(self, *arguments: str) -> Result:
        return self.tiny.run("connectors", f"--name={NAME}", "publish", f"--registry={self.prefix}", *arguments)

    def commit(self, message: str = "change") -> str:
        """Commits everything; returns the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        finished = subprocess.run([*GIT, *arguments], cwd=self.tiny.folder, check=True, capture_output=True, text=True)
        return finished.stdout

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.tiny.connector() / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def release(self, version: str) -> None:
        """Sets and commits a version."""
        current = next(
            line.split()[-1]
            for line in (self.tiny.connector() / "metadata.yaml").read_text().splitlines()
            if "dockerImageTag" in line
        )
        self.edit("metadata.yaml", f"dockerImageTag: {current}", f"dockerImageTag: {version}")
        self.edit("pyproject.toml", f'version = "{current}"', f'version = "{version}"')
        self.commit(version)

    def describe(self, base: str, name: str = NAME) -> None:
        """Makes a connector complete enough for `check`, on the repository's base image instead of `base`."""
        metadata = self.tiny.connector(name) / "metadata.yaml"
        text = metadata.read_text()
        text = text.replace(base, self.tiny.base) if base else text
        metadata.write_text(text.replace("  tags:", "  supportLevel: community\n  tags:"))

    @property
    def repository(self) -> Reference:
        return Reference.parse(f"{self.prefix}/acme/{NAME}")

    def tags(self) -> dict[str, Digest]:
        """The tags of releases; those that list referrers are left out."""
        with quick_client() as client:
            try:
                names = client.tags(self.repository)
            except BlobNotFound:  # the repository does not exist yet
                return {}
            found = [name for name in names if not name.startswith("sha256-")]
            return {name: client.resolve(self.repository.with_tag(name)).digest for name in found}
