"""Formats advice: `next:` before a command that can be run unchanged, an arrow before other advice.

Joins the same next command of several connectors into one.
"""

import re
from collections.abc import Iterable, Iterator

from click import style

from airbyte_ci.advice import is_command

_PLACED = ("$EDITOR", "(cd", "docker build", "echo")
_OF_CONNECTORS = r"airbyte-ci connectors ((?:--name=\S+ )+)(?!.*--name=)(.+)"
# Commands whose last argument can be repeated.
_OF_MANY = r"(git add|git rm|git push origin) ([^\s&;]+)"
# In characters: a longer command is hard to read and is split.
_LONG = 500


def is_shared(advice: str) -> bool:
    """Returns whether the command can be joined for several connectors; others are about one file of one connector."""
    return is_command(advice) and not advice.startswith(_PLACED)


def line(advice: str) -> str:
    """Returns the advice with its mark."""
    return f"{style('next:', dim=True)} {advice}" if is_command(advice) else f"→ {advice}"


def merge(advices: Iterable[str], *, whole: int = 0) -> list[str]:
    """Returns the commands among the advice, each joined for all connectors that share it; drops all other advice.

    A command that would be too long is split into several, each for some of the connectors. `whole` is the number of
    connectors of `--all`, if it was used: it then replaces as many names.
    """
    groups: dict[str, dict[str, None]] = {}
    for advice in advices:
        if is_shared(advice):
            pattern, arguments = _split(advice)
            groups.setdefault(pattern, {}).update(dict.fromkeys(arguments))
    return [command for pattern, arguments in groups.items() for command in _join(pattern, [*arguments], whole)]


def _split(advice: str) -> tuple[str, list[str]]:
    """Returns a command without its connector-specific arguments, and these arguments."""
    if match := re.fullmatch(_OF_CONNECTORS, advice):
        return f"airbyte-ci connectors \0 {match[2]}", match[1].split()
    if match := re.fullmatch(_OF_MANY, advice):
        return f"{match[1]} \0", [match[2]]
    return advice, []


def _join(pattern: str, arguments: list[str], whole: int) -> Iterator[str]:
    if len(arguments) == whole > 1 and pattern.startswith("airbyte-ci connectors"):
        yield pattern.replace("\0", "--all")
        return
    while arguments:
        count = len(arguments)
        while count > 1 and len(pattern) + len(" ".join(arguments[:count])) > _LONG:
            count -= 1
        yield pattern.replace("\0", " ".join(arguments[:count]))
        arguments = arguments[count:]
    if "\0" not in pattern:
        yield pattern
