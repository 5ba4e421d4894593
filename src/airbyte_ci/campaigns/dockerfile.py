"""What a connector's Dockerfile did that its base image does not: read before it is deleted, told to the person.

Reads instructions, not their effect: enough to name what must be carried over by hand.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_INSTALL = re.compile(r"\b(?:apt-get|apt|apk|yum|dnf|microdnf)\b(?:\s+-\S+)*\s+(?:install|add)\b(?P<words>[^;&|]*)")
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


def read(text: str) -> DockerfileFacts:
    """The facts of a Dockerfile's text; what cannot be understood is left out, never an error."""
    python, user = None, None
    variables: dict[str, None] = {}
    packages: dict[str, None] = {}
    for instruction, rest in _instructions(text):
        match instruction:
            case "FROM":
                found = _PYTHON.search(rest.split()[0] if rest else "")
                python = found["version"] if found else python
                variables.clear()  # a stage's variables end with it; packages may be copied on, so they stay
            case "ENV":
                variables |= dict.fromkeys(name for name in _names(rest) if name not in _EXPECTED_VARIABLES)
            case "RUN":
                packages |= dict.fromkeys(_packages(rest))
            case "USER":
                user = rest.strip() if rest.strip() not in ("root", "0") else None
    return DockerfileFacts(python, tuple(variables), tuple(packages), user)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    logical = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            logical += stripped[:-1] + " "
            continue
        word, _, rest = (logical + stripped).partition(" ")
        logical = ""
        yield word.upper(), rest.strip()


def _names(rest: str) -> list[str]:
    """`A=1 B="x y"` names A and B; the old form `A 1` names A."""
    first = rest.split(maxsplit=1)[:1]
    if first and "=" not in first[0]:
        return first
    return re.findall(r"(?:^|\s)([A-Za-z_][A-Za-z0-9_]*)=", rest)


def _packages(command: str) -> Iterator[str]:
    for match in _INSTALL.finditer(command):
        for word in match["words"].split():
            if not word.startswith(("-", "$", ".")):
                yield word.split("=")[0].rstrip("~")
