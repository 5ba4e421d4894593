"""A Dockerfile's stages, and the effect of instructions on variables and settings."""

import functools
import itertools
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.base_images.catalog.catalog import Catalog
from airbyte_ci.campaigns.dockerfile import words
from airbyte_ci.campaigns.dockerfile.syntax import Instruction, instructions
from airbyte_ci.campaigns.dockerfile.words import Expanded, Misread
from airbyte_ci.errors import EditRefused
from airbyte_ci.text import decode_file

NO_BASES = Catalog(())
_PYTHON = re.compile(r"(?:^|/)python:(?P<version>\d+\.\d+)")
_SHELL = ("/bin/sh", "-c")
# The largest real ones have about 20 KB.
_SIZE = 1 << 20
_INSTRUCTIONS = 5_000


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the image or the stage that it is built on, its name in lower case, and its instructions."""

    image: str
    name: str = ""
    instructions: tuple[Instruction, ...] = ()
    start: Instruction = field(default_factory=lambda: Instruction("FROM", "", 1))


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All stages in order; `arguments` are the ARGs above the first FROM, `above` these instructions."""

    stages: tuple[Stage, ...]
    arguments: Mapping[str, str] = field(default_factory=dict)
    above: tuple[Instruction, ...] = ()

    def below(self, stage: Stage) -> Stage | None:
        """Returns the stage that this one is built on: the nearest one above with that name."""
        index = next(i for i, item in enumerate(self.stages) if item is stage)
        above = [item for item in self.stages[:index] if item.name and item.name == stage.image.lower()]
        return above[-1] if above else None

    def chain(self, stage: Stage) -> tuple[Stage, ...]:
        """Returns a stage and those that it is built on, the lowest first."""
        below = self.below(stage)
        return (*self.chain(below), stage) if below else (stage,)

    @property
    def final(self) -> tuple[Stage, ...]:
        """Returns the stages of the image: those that the last one is built on."""
        return self.chain(self.stages[-1]) if self.stages else ()

    @property
    def aside(self) -> tuple[Stage, ...]:
        """Returns the other stages, of which only copied files reach the image."""
        final = self.final
        return tuple(stage for stage in self.stages if not any(stage is one for one in final))

    @property
    def root(self) -> str:
        """Returns the image that the last stage is built on in the end; empty if there is none."""
        return self.final[0].image if self.stages else ""

    def python(self, bases: Catalog = NO_BASES) -> str:
        """Returns X.Y of the image at the root, if it is one of `bases` or an official Python image; else empty."""
        known = bases.find(self.root)
        if known:
            return ".".join(known.python.split(".")[:2])
        found = _PYTHON.search(self.root)
        return found["version"] if found else ""


class Values:
    """Variables and settings at one point of the stages, like in BuildKit. `apply` processes an instruction.

    `known` are those that are replaced in texts; `open` those that only the user of the build sets (an ARG without a
    default). The root image's values are unknown: `is_of_root` returns which variables it may have.
    """

    def __init__(self, arguments: Mapping[str, str], is_of_root: Callable[[str], bool] = lambda _: False) -> None:
        self._arguments = arguments
        self._is_of_root = is_of_root
        self._incomplete: set[str] = set()
        self.known: dict[str, str] = {}
        self.open: set[str] = set()
        self.env: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.workdir = "/"
        self.user = ""
        self.entrypoint: list[str] = []
        self.cmd: list[str] = []
        self.shell: tuple[str, ...] = _SHELL
        self._has_cmd = False

    def enter(self) -> None:
        """Continues in the next stage, which is built on this one: there an ENV overrides a later ARG."""
        self._has_cmd = False
        self.known |= self.env

    def expand(self, text: str, escape: str = "\\") -> Expanded:
        """Raises Misread."""
        return words.expand(text, self.known, escape)

    def pairs(self, instruction: Instruction) -> list[tuple[str, Expanded]]:
        """Returns the names and values of ENV, LABEL or ARG, replaced by the previously known ones. Raises Misread.

        An ARG without a value has the one from above the first FROM, if that is an ARG too.
        """
        found = []
        for written, value in instruction.pairs():
            name = self.expand(written, instruction.escape).text
            if not name:
                raise Misread("a name is empty")
            if value is not None:
                found.append((name, self.expand(value, instruction.escape)))
            elif name in self._arguments:
                found.append((name, Expanded(self._arguments[name])))
        return found

    def undefined(self, instruction: Instruction) -> list[str]:
        """Returns the names of an ARG that only the user of the build sets."""
        return [name for name, value in instruction.pairs() if value is None and name not in self._arguments]

    def missing(self, value: Expanded) -> list[str]:
        """Returns the variables in a text whose values the Dockerfile does not set."""
        unknown = {name for name in value.unset if name in self.open or self._is_of_root(name)}
        return sorted(unknown | (value.used & self._incomplete))

    def absolute(self, path: str) -> str:
        """Returns the absolute path of a path at this point."""
        return joined(self.workdir, path)

    def apply(self, instruction: Instruction) -> None:
        """Processes an instruction. Raises Misread without a change."""
        match instruction.name:
            case "ENV" | "ARG":
                pairs = self.pairs(instruction)
                found = {name: value.text for name, value in pairs}
                incomplete = {name for name, value in pairs if self.missing(value)}
                self._incomplete = self._incomplete - set(found) | incomplete
                self.known |= found
                self.open -= set(found)
                if instruction.name == "ENV":
                    self.env |= found
                else:
                    self.open |= set(self.undefined(instruction)) - set(self.known)
            case "LABEL":
                self.labels |= {name: value.text for name, value in self.pairs(instruction)}
            case "WORKDIR":
                self.workdir = self.absolute(self.expand(instruction.value, instruction.escape).text)
            case "USER":
                self.user = self.expand(instruction.value, instruction.escape).text
            case "SHELL":
                self.shell = tuple(instruction.listed() or _SHELL)
            case "ENTRYPOINT":
                self.entrypoint = self.command(instruction)
                self.cmd = self.cmd if self._has_cmd else []
            case "CMD":
                self.cmd, self._has_cmd = self.command(instruction), True

    def command(self, instruction: Instruction) -> list[str]:
        """Returns the program of an ENTRYPOINT or CMD; the shell form is a text for the shell, which replaces
        variables.
        """
        listed = instruction.listed()
        return [*self.shell, instruction.value] if listed is None and instruction.value else listed or []


def joined(folder: str, path: str) -> str:
    """Returns the absolute path of `path` relative to `folder`."""
    return posixpath.normpath(posixpath.join("/", folder, path)).replace("//", "/")


@functools.lru_cache(maxsize=2)  # callers need a Dockerfile's Python and its instructions
def read(text: str) -> Dockerfile:
    """Returns the stages of a Dockerfile's text; keeps an invalid instruction as written.

    Raises EditRefused for a text that is too large.
    """
    if len(text) > _SIZE:
        raise _too_large()
    found = list(itertools.islice(instructions(text), _INSTRUCTIONS + 1))
    if len(found) > _INSTRUCTIONS:
        raise _too_large()
    stages: list[Stage] = []
    above: list[Instruction] = []
    arguments: dict[str, str] = {}
    for instruction in found:
        if instruction.name == "FROM":
            stages.append(_stage(instruction, arguments))
        elif stages:
            last = stages[-1]
            stages[-1] = Stage(last.image, last.name, (*last.instructions, instruction), last.start)
        else:
            above.append(instruction)
            arguments |= _global(instruction, arguments)
    return Dockerfile(tuple(stages), arguments, tuple(above))


def load(path: Path) -> str:
    """Returns the text of a Dockerfile; raises EditRefused if it is too large."""
    with path.open("rb") as file:
        content = file.read(_SIZE + 1)
    if len(content) > _SIZE:
        raise _too_large()
    return decode_file(content)


def _too_large() -> EditRefused:
    return EditRefused(f"the Dockerfile has more than {_SIZE >> 20} MiB or {_INSTRUCTIONS:,} instructions")


def read_bytes(content: bytes) -> Dockerfile:
    """Decodes a file's content; raises EditRefused if it is not a Dockerfile at all."""
    result = read(decode_file(content))
    if not result.stages:
        raise EditRefused("the Dockerfile has no FROM instruction", advice="check that the file is a Dockerfile")
    return result


def values(dockerfile: Dockerfile, stages: Iterable[Stage]) -> Values:
    """Returns variables and settings at the end of stages that build on each other; invalid instructions change
    nothing.
    """
    result = Values(dockerfile.arguments)
    for stage in stages:
        result.enter()
        for instruction in stage.instructions:
            try:
                result.apply(instruction)
            except Misread:
                continue
    return result


def _global(instruction: Instruction, arguments: Mapping[str, str]) -> dict[str, str]:
    """Returns the values of an ARG above the first FROM, which can use others of its line."""
    found = dict(arguments)
    if instruction.name == "ARG":
        for name, value in instruction.pairs():
            try:
                if value is not None:
                    found[name] = words.expand(value, found, instruction.escape).text
            except Misread:
                continue
    return found


def _stage(instruction: Instruction, arguments: Mapping[str, str]) -> Stage:
    """Parses `--platform=x python:3.9 AS base`; names are compared in lower case."""
    parts = instruction.flags()[1].split()
    try:
        image = words.expand(parts[0], arguments, instruction.escape).text if parts else ""
    except Misread:
        image = parts[0]
    return Stage(
        image, parts[2].lower() if parts[1:2] and parts[1].lower() == "as" and parts[2:] else "", (), instruction
    )
