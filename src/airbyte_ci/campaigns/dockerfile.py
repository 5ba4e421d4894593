"""What a connector's Dockerfile did that its base image does not: read before it is deleted, told to the person.

Reads instructions, not their effect: enough to name what must be carried over by hand.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

_INSTALL = re.compile(r"\b(?:apt-get|apt|apk|yum|dnf|microdnf)\b(?:\s+-\S+)*\s+(?:install|add)\b(?P<words>[^;&|>]*)")
_PYTHON = re.compile(r"(?:^|/)python:(?P<version>\d+\.\d+)")
# What every connector's Dockerfile had, and what the build now does itself.
_EXPECTED_VARIABLES = frozenset({"AIRBYTE_ENTRYPOINT"})


@dataclass(frozen=True, slots=True)
class DockerfileFacts:
    """The Python of the last stage (X.Y), variables, system packages, and whether it ran as another user."""

    python: str | None
    variables: tuple[str, ...]
    packages: tuple[str, ...]
    user: str | None

    def not_carried(self) -> tuple[str, ...]:
        """Each thing that the migrated connector will not have, in words."""
        lost = [f"ENV {name}" for name in self.variables]
        if self.packages:
            lost.append(f"system packages {', '.join(self.packages)}")
        if self.user:
            lost.append(f"USER {self.user}")
        return tuple(lost)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a stage has by itself or from the stage that it is built on."""

    python: str | None = None
    variables: dict[str, None] = field(default_factory=dict)
    user: str | None = None


def read(text: str) -> DockerfileFacts:
    """The facts of a Dockerfile's text; what cannot be understood is left out, never an error."""
    stage, name = _Stage(), ""
    stages: dict[str, _Stage] = {}
    packages: dict[str, None] = {}  # of all stages: what one installs may be copied to another
    for instruction, rest in _instructions(text):
        match instruction:
            case "FROM":
                image, name = _from(rest)
                found = _PYTHON.search(image)
                stage = stages.get(image) or _Stage(found["version"] if found else stage.python)
            case "ENV":
                names = dict.fromkeys(item for item in _names(rest) if item not in _EXPECTED_VARIABLES)
                stage = replace(stage, variables=stage.variables | names)
            case "RUN":
                packages |= dict.fromkeys(_packages(rest))
            case "USER":
                stage = replace(stage, user=rest if rest.partition(":")[0] not in ("root", "0") else None)
        stages[name] = stage
    return DockerfileFacts(stage.python, tuple(stage.variables), tuple(packages), stage.user)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    logical = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            logical += stripped[:-1] + " "
            continue
        yield _instruction(logical + stripped)
        logical = ""
    if logical.strip():  # the end of the file ends a line that was to go on
        yield _instruction(logical)


def _instruction(line: str) -> tuple[str, str]:
    word, *rest = line.split(maxsplit=1)
    return word.upper(), "".join(rest).strip()


def _from(rest: str) -> tuple[str, str]:
    """The image and the stage's name, in lower case as they are compared: `--platform=x python:3.9 AS base`."""
    words = [word.lower() for word in rest.split() if not word.startswith("--")]
    return words[0] if words else "", words[2] if words[1:2] == ["as"] and words[2:] else ""


def _names(rest: str) -> list[str]:
    """`A=1 B="x y"` names A and B; the old form `A 1` names A."""
    try:
        words = shlex.split(rest)
    except ValueError:  # a quote that is not closed
        words = rest.split()
    first = words[:1]
    if first and "=" not in first[0]:
        return first
    return [word.partition("=")[0] for word in words if "=" in word]


def _packages(command: str) -> Iterator[str]:
    for match in _INSTALL.finditer(command):
        for word in match["words"].split():
            # Options, variables, virtual names of apk, and what is left of `2>&1` are no packages.
            if not word.startswith(("-", "$", ".")) and not word.isdigit():
                yield word.split("=")[0].rstrip("~")
