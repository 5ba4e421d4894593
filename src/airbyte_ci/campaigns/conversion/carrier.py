"""The state of converting a Dockerfile, while its instructions are processed in order."""

import posixpath
import re

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion
from airbyte_ci.campaigns.changes.findings import Fate, Finding, shorten
from airbyte_ci.campaigns.conversion.carried import CODE, Step
from airbyte_ci.campaigns.conversion.connector_folder import ConnectorFolder
from airbyte_ci.campaigns.conversion.entry_points import MAIN
from airbyte_ci.campaigns.dockerfile import heredoc, stages
from airbyte_ci.campaigns.dockerfile.stages import Dockerfile, Values
from airbyte_ci.campaigns.dockerfile.syntax import Instruction
from airbyte_ci.campaigns.dockerfile.words import Expanded, Misread
from airbyte_ci.connectors.customization import ImageFile

# Where Dockerfiles put files only to build something from them.
_FOR_BUILDING = re.compile(r"/|/(tmp|build|src|usr/src|workspace)(/.*)?")
# Folders of every Debian image: a file that is copied to one goes into it.
_SYSTEM_FOLDERS = re.compile(
    r"/|/(etc|opt|tmp|srv|home|root|var|usr|bin|lib|mnt)|/usr/(local/)?(bin|lib|sbin|share|etc)"
)


class Unsaid(Exception):
    """A value depends on variables that the Dockerfile does not set."""


class Carrier:
    """The state of processing one Dockerfile. `values` are those of the current stage; `copies` are the paths of the
    image that are copies of a path of the connector's folder.
    """

    def __init__(self, dockerfile: Dockerfile, base: BaseImageVersion, folder: ConnectorFolder, root: str) -> None:
        self.dockerfile = dockerfile
        self.base = base
        self.folder = folder
        self.root = root
        self.values = Values({})
        self.copies: dict[str, str] = {}
        self.system: dict[str, None] = {}
        self.building: dict[str, None] = {}
        self.files: dict[str, ImageFile] = {}
        self.before: list[Step] = []
        self.after: list[Step] = []
        self.in_steps: set[str] = set()
        self.is_installed = False
        self.user: str | None = None
        self._commands = "\n".join(
            item.value for stage in dockerfile.stages for item in stage.instructions if item.name == "RUN"
        )

    def add_file(self, path: str, file: ImageFile) -> bool:
        """Adds a file or folder to the image, except a folder to which another one was copied."""
        before = self.files.pop(path, None)
        if before and before.source and file.source and self.folder.kind_of(file.source) == "folder":
            self.files[path] = before
            return before.source == file.source
        self.files[path] = file
        return True

    # --- findings ---------------------------------------------------------------------------------

    def given(self, instruction: Instruction, part: str = "", note: str = "") -> Finding:
        return _finding(instruction, part, "given by the base", note)

    def built(self, instruction: Instruction, part: str = "", note: str = "") -> Finding:
        return _finding(instruction, part, "done by the build", note)

    def carried(self, instruction: Instruction, part: str = "", note: str = "") -> Finding:
        return _finding(instruction, part, "carried over", note)

    def reported(self, instruction: Instruction, why: str, part: str = "") -> Finding:
        return _finding(instruction, part, "reported", why)

    # --- values -----------------------------------------------------------------------------------

    def known(self, text: str, instruction: Instruction) -> str:
        """Returns a text with its variables replaced. Raises Misread, and Unsaid for an unknown value."""
        return self.said(self.values.expand(text, instruction.escape))

    def said(self, value: Expanded) -> str:
        """Returns the value; raises Unsaid if it depends on a variable that the Dockerfile does not set."""
        missing = self.values.missing(value)
        if not missing:
            return value.text
        names = " and ".join(missing)
        if set(missing) & self.values.open:
            raise Unsaid(f"only --build-arg gives {names} a value")
        raise Unsaid(f"only the base knows its {names}")

    def enter_user(self, user: str) -> None:
        """Continues as another user; root is None."""
        self.user = user if user.partition(":")[0] not in ("root", "0", "") else None

    # --- paths ------------------------------------------------------------------------------------

    def absolute(self, path: str) -> str:
        return self.values.absolute(path)

    def moved(self, path: str) -> str:
        """Returns a path of the old image in the new one, where the code may be in another folder."""
        if path == self.root or path.startswith(f"{self.root.rstrip('/')}/"):
            return posixpath.normpath(posixpath.join(CODE, posixpath.relpath(path, self.root)))
        return path

    def place(self, path: str) -> str:
        return self.moved(self.absolute(path))

    def unusual(self, workdir: str) -> str | None:
        """Records a folder in which images do not start by default."""
        return workdir if workdir not in ("/", CODE) else None

    def is_copied_whole(self, path: str) -> bool:
        """Returns whether a folder of the image is a copy of the connector's, or of the files that describe its
        package.
        """
        inside = {self.copies[there] for there in self.copies if posixpath.dirname(there) == path}
        return self.copies.get(path) == "" or bool(inside & {"setup.py", "pyproject.toml"})

    def is_used(self, path: str) -> bool:
        """Returns whether the image starts in a folder, or has it in a variable."""
        texts = (*self.values.env.values(), *self.values.entrypoint, self.values.workdir)
        return any(path in text for text in texts)

    def code_path(self, path: str) -> str:
        return posixpath.join(CODE, path) if path else CODE

    def is_code(self, path: str) -> bool:
        """Returns whether the build puts a path of the connector's folder into the image."""
        return path in (MAIN, self.folder.package) or path.startswith(f"{self.folder.package}/")

    def is_for_build(self, folder: str) -> bool:
        """Returns whether files in a folder of the image only serve to install the connector."""
        here = (self.values.workdir, self.root, posixpath.dirname(self.root))
        return folder in here or _FOR_BUILDING.fullmatch(folder) is not None or folder in self._commands

    def is_folder(self, path: str) -> bool:
        """Returns whether the image already has a folder there."""
        inside = (*self.copies, *self.files, self.values.workdir)
        return (
            _SYSTEM_FOLDERS.fullmatch(path) is not None
            or any(item.startswith(f"{path}/") for item in inside)
            or (path == self.values.workdir or self.folder.kind_of(self.copies.get(path, "-")) == "folder")
        )

    def source_of(self, path: str) -> str | None:
        """Returns the path of the connector's folder of which a path of the image is a copy."""
        absolute = self.absolute(path)
        for there in sorted(self.copies, key=len, reverse=True):
            if absolute == there or absolute.startswith(f"{there.rstrip('/')}/"):
                return posixpath.normpath(posixpath.join(self.copies[there], posixpath.relpath(absolute, there)))
        moved = self.moved(absolute)
        return posixpath.relpath(moved, CODE) if moved.startswith(f"{CODE}/") else None


def _finding(instruction: Instruction, part: str, fate: Fate, note: str) -> Finding:
    return Finding(instruction.line, shorten(part or str(instruction)), fate, note)


def find_root(dockerfile: Dockerfile, folder: ConnectorFolder) -> str:
    """Returns the folder of the image with the code, in which it starts."""
    candidates: list[str] = []
    values = Values(dockerfile.arguments)
    for stage in dockerfile.final:
        for instruction in stage.instructions:
            try:
                if instruction.name in ("COPY", "ADD"):
                    candidates += _roots(instruction, values, folder)
                values.apply(instruction)
            except Misread:
                continue
    command = " ".join(values.entrypoint or values.cmd)
    for word in command.split():
        path = values.absolute(word)
        if word.endswith(".py"):
            inside = [item for item in candidates if path.startswith(f"{item.rstrip('/')}/")]
            if inside:
                return max(inside, key=len)
            if path.startswith(f"{CODE}/"):
                return CODE
    chosen = values.workdir if values.workdir in candidates else next(iter(candidates), CODE)
    return chosen if chosen != "/" else CODE


def _roots(instruction: Instruction, values: Values, folder: ConnectorFolder) -> list[str]:
    flags, rest = instruction.flags()
    if "from" in flags or heredoc.read(instruction.value)[1]:
        return []
    words = [
        values.expand(word, instruction.escape).text for word in (Instruction("COPY", rest, 1).listed() or rest.split())
    ]
    found = []
    for source in words[:-1]:
        plain = posixpath.normpath(source.lstrip("/") or ".")
        there = stages.joined(values.workdir, words[-1])
        if plain == ".":
            found.append(there)
        elif plain == folder.package:
            found.append(posixpath.dirname(there) if posixpath.basename(there) == plain else "")
        elif plain == MAIN:
            found.append(posixpath.dirname(there) if there.endswith(".py") else there)
    return [item for item in found if item]
