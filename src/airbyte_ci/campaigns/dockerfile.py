"""A Dockerfile as its stages and instructions; what they mean for an image is not known here."""

import functools
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from airbyte_ci.campaigns import heredoc
from airbyte_ci.campaigns.heredoc import Heredoc
from airbyte_ci.documents import load_json
from airbyte_ci.errors import EditRefused

_PYTHON = re.compile(r"(?:^|/)python:(?P<version>\d+\.\d+)")
# Stands for a line's end in a here-document while the parser, which knows none, has the text.
_LINE_END = "\ue000"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its name in capitals, its lines joined but those of here-documents; `line` counts from 1."""

    name: str
    value: str
    line: int

    def __str__(self) -> str:
        return f"{self.name} {self.value}".partition("\n")[0]

    def flags(self) -> tuple[dict[str, str], str]:
        """`--from=builder a b` as its flags and the rest."""
        flags, rest = {}, self.value.strip()
        while found := re.match(r"--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)", rest):
            flags[found[1]] = found[2] or ""
            rest = rest[found.end() :]
        return flags, rest

    def listed(self) -> list[str] | None:
        """The exec form `["a", "b"]` as its words; None for the shell form."""
        try:
            words = load_json(self.value) if self.value.startswith("[") else None
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None

    def pairs(self, known: Mapping[str, str]) -> list[tuple[str, str]]:
        """The names and values of ENV, LABEL or ARG, with the variables in them replaced by the `known` ones."""
        from dockerfile_parse.util import extract_key_values

        if self.name == "ARG":
            name, _, value = self.value.partition("=")
            return [(name.strip(), substituted(value.strip(), known))]
        try:
            return list(extract_key_values(True, {}, dict(known), self.value))
        except (ValueError, IndexError):  # a quote that is not closed, or nothing
            return []


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the image or the stage that it is built on, its name, and its instructions."""

    image: str
    name: str = ""
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All stages in order; `arguments` are the ARGs above the first FROM."""

    stages: tuple[Stage, ...]
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def final(self) -> tuple[Stage, ...]:
        """The stages that the image is made of: those that the last one is built on, the first of them first."""
        chain: list[Stage] = []
        index = len(self.stages) - 1
        while index >= 0:
            stage = self.stages[index]
            chain.insert(0, stage)
            # A stage is built on the nearest one above it with that name.
            above = [i for i in range(index) if self.stages[i].name and self.stages[i].name == stage.image]
            index = above[-1] if above else -1
        return tuple(chain)

    @property
    def aside(self) -> tuple[Stage, ...]:
        """The other stages, from which only what is copied reaches the image."""
        final = self.final
        return tuple(stage for stage in self.stages if not any(stage is one for one in final))

    @property
    def root(self) -> str:
        """The image that the last stage is built on in the end; empty where there is none."""
        return self.final[0].image if self.stages else ""

    @property
    def python(self) -> str | None:
        """X.Y of the official Python image at the root."""
        found = _PYTHON.search(self.root)
        return found["version"] if found else None


@functools.lru_cache(maxsize=2)  # one is asked for its Python and for what it did
def read(text: str) -> Dockerfile:
    """The stages of a Dockerfile's text; what cannot be understood is left out, never an error."""
    stages: list[Stage] = []
    arguments: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            stages.append(_stage(instruction, arguments))
        elif stages:
            last = stages[-1]
            stages[-1] = Stage(last.image, last.name, (*last.instructions, instruction))
        elif instruction.name == "ARG":
            arguments |= dict(instruction.pairs(arguments))
    return Dockerfile(tuple(stages), arguments)


def substituted(value: str, known: Mapping[str, str]) -> str:
    """The text without quotes, its `$NAME` and `${NAME}` replaced; unknown ones are empty, as Docker has it."""
    from dockerfile_parse.util import WordSplitter

    try:
        return str(WordSplitter(value, args={}, envs=dict(known)).dequote())
    except (ValueError, IndexError):
        return value


def _stage(instruction: Instruction, arguments: Mapping[str, str]) -> Stage:
    """`--platform=x python:3.9 AS base`; names are compared in lower case."""
    words = [word.lower() for word in substituted(instruction.flags()[1], arguments).split()]
    return Stage(words[0] if words else "", words[2] if words[1:2] == ["as"] and words[2:] else "")


def _instructions(text: str) -> Iterator[Instruction]:
    from dockerfile_parse import DockerfileParser

    content = "".join(_prepared(text)).encode("utf-8", "replace")
    # It reads bytes, whatever its stubs say.
    structure = DockerfileParser(fileobj=io.BytesIO(content)).structure  # type: ignore[arg-type]
    for item in structure:
        if item["instruction"] != "COMMENT":
            yield Instruction(
                item["instruction"], item["value"].strip().replace(_LINE_END, "\n"), item["startline"] + 1
            )


def _prepared(text: str) -> list[str]:
    """Lines that the parser reads as Docker does.

    It ends an instruction at a blank line that Docker skips, drops one whose last line says that it goes on, and takes
    the lines of a here-document for instructions: these are put behind the instruction, on one line.
    """
    lines: list[str] = []
    waiting: list[Heredoc] = []
    goes_on = may_have = False
    for line in text.replace("\r\n", "\n").split("\n"):
        if waiting:
            lines[-1] = f"{lines[-1][:-1]}{_LINE_END}{line}\n"
            if waiting[0].ends(line):
                waiting.pop(0)
            continue
        if goes_on and not line.strip():
            continue
        lines.append(f"{line}\n")
        if re.match(r"\s*#", line):
            continue  # also between the lines of an instruction
        may_have = may_have if goes_on else bool(re.match(r"\s*(RUN|COPY|ADD)\b", line, re.IGNORECASE))
        goes_on = line.rstrip().endswith("\\")
        waiting = heredoc.begun(line) if may_have else []
    if lines:
        lines[-1] = lines[-1].rstrip().rstrip("\\") + "\n"
    return lines


def read_bytes(content: bytes) -> Dockerfile:
    """Of a file's content; raises EditRefused where it is not a Dockerfile at all."""
    result = read(content.decode("utf-8", "replace"))
    if not result.stages:
        raise EditRefused("the Dockerfile has no FROM, so what it does cannot be told")
    return result
