"""Formats advice: `next:` before a command that can be run unchanged, an arrow before other advice.

Joins the same next command of several connectors into one.
"""

import re
from collections.abc import Iterable

from click import style

# The first words of commands in advice. All other advice is a sentence.
_PROGRAMS = ("airbyte-ci", "git", "docker", "curl", "sudo", "apt-get", "poetry", "uv", "echo", "ss", "export", "(cd")
_PLACED = ("$EDITOR", "(cd", "docker build", "echo")
_COMMAND = re.compile(rf"(?:{'|'.join(map(re.escape, _PROGRAMS))}|\$EDITOR|/\S*python\S* -m pip) \S.*")
# Placeholders that a person must replace.
_OPEN = re.compile(r"…|\b(?:FILE|DIR|NAME|ADDRESS|PR_NUMBER|VERSION)\b|/a/folder")
_OF_CONNECTORS = re.compile(r"airbyte-ci connectors ((?:--name=\S+ )+)(?!.*--name=)(.+)")
# Commands whose last argument can be repeated.
_OF_MANY = re.compile(r"(git add|git rm|git push origin) ([^\s&;]+)")


def is_command(advice: str) -> bool:
    """Returns whether the advice is a command that a shell can run unchanged."""
    return _COMMAND.fullmatch(advice) is not None and _OPEN.search(advice) is None and "; or " not in advice


def is_shared(advice: str) -> bool:
    """Returns whether the command can be joined for several connectors; others are about one file of one connector."""
    return is_command(advice) and not advice.startswith(_PLACED)


def line(advice: str) -> str:
    """Returns the advice with its mark."""
    return f"{style('next:', dim=True)} {advice}" if is_command(advice) else f"→ {advice}"


def merge(advices: Iterable[str], *, whole: int = 0) -> list[str]:
    """Returns the commands among the advice, each joined for all connectors that share it; drops all other advice.

    `whole` is the number of connectors of `--all`, if it was used: it then replaces as many names.
    """
    groups: dict[str, dict[str, None]] = {}
    for advice in advices:
        if is_shared(advice):
            pattern, arguments = _split(advice)
            groups.setdefault(pattern, {}).update(dict.fromkeys(arguments))
    return [_join(pattern, tuple(arguments), whole) for pattern, arguments in groups.items()]


def _split(advice: str) -> tuple[str, list[str]]:
    """Returns a command without its connector-specific arguments, and these arguments."""
    if match := _OF_CONNECTORS.fullmatch(advice):
        return f"airbyte-ci connectors \0 {match[2]}", match[1].split()
    if match := _OF_MANY.fullmatch(advice):
        return f"{match[1]} \0", [match[2]]
    return advice, []


def _join(pattern: str, arguments: tuple[str, ...], whole: int) -> str:
    is_whole = len(arguments) == whole > 1 and pattern.startswith("airbyte-ci connectors")
    return pattern.replace("\0", "--all" if is_whole else " ".join(arguments))
