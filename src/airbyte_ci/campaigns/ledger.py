"""What has been found of a Dockerfile so far; what each instruction means is not known here."""

from pathlib import PurePosixPath

from airbyte_ci.base_images.catalogue import BaseImageVersion
from airbyte_ci.campaigns.carried import Step, Surroundings
from airbyte_ci.campaigns.dockerfile import Dockerfile
from airbyte_ci.connectors.customization import ImageFile


class Ledger:
    """What has been found so far, while the instructions are gone through."""

    def __init__(self, dockerfile: Dockerfile, base: BaseImageVersion, surroundings: Surroundings) -> None:
        self.dockerfile = dockerfile
        self.base = base
        self.surroundings = surroundings
        self.known: dict[str, str] = dict(dockerfile.arguments)
        self.workdir = "/"
        self.env: dict[str, str] = {}
        self.written: dict[str, str] = {}
        self.system: dict[str, None] = {}
        self.building: dict[str, None] = {}
        self.files: dict[str, ImageFile] = {}
        self.before: list[Step] = []
        self.after: list[Step] = []
        self.in_steps: set[str] = set()
        self.is_installed = False
        self.labels: dict[str, str] = {}
        self.entrypoint: list[str] = []
        self.user: str | None = None
        self.settled: dict[str, None] = {}
        self.lost: dict[str, None] = {}

    def settle(self, words: str) -> None:
        self.settled[words] = None

    def lose(self, words: str) -> None:
        self.lost[words] = None


def joined(folder: str, path: str) -> str:
    """The absolute path that `path` is, seen from `folder`."""
    parts: list[str] = []
    for part in PurePosixPath(folder, path).parts[1:]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts)
