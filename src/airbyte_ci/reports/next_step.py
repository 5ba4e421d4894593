"""What to do next, as people read it: `next:` before a command that a shell runs as it stands, an arrow before advice.

Where several connectors have the same next step it is one command for all of them.
"""

import re
from collections.abc import Iterable

from click import style

# How commands begin that advice gives. Everything else is a sentence.
_PROGRAMS = ("airbyte-ci", "git", "docker", "curl", "sudo", "apt-get", "poetry", "uv", "echo", "ss", "export", "(cd")
_PLACED = ("$EDITOR", "(cd", "docker build", "echo")
_COMMAND = re.compile(rf"(?:{'|'.join(map(re.escape, _PROGRAMS))}|\$EDITOR|/\S*python\S* -m pip) \S.*")
# What a person would have to fill in first.
_OPEN = re.compile(r"…|\b(?:FILE|DIR|NAME|ADDRESS|PR_NUMBER|VERSION)\b|/a/folder")
_OF_CONNECTORS = re.compile(r"airbyte-ci connectors ((?:--name=\S+ )+)(?!.*--name=)(.+)")
# Commands that take any number of arguments of the last kind.
_OF_MANY = re.compile(r"(git add|git rm|git push origin) ([^\s&;]+)")


def is_command(advice: str) -> bool:
    """Whether the advice is a command that a shell runs as it stands."""
    return _COMMAND.fullmatch(advice) is not None and _OPEN.search(advice) is None and "; or " not in advice


def is_shared(advice: str) -> bool:
    """Whether it is a command that several connectors can have together; others are about one place of one of them."""
    return is_command(advice) and not advice.startswith(_PLACED)


def line(advice: str) -> str:
    """The advice with its mark."""
    return f"{style('next:', dim=True)} {advice}" if is_command(advice) else f"→ {advice}"


def merge(advices: Iterable[str], *, whole: int = 0) -> list[str]:
    """The commands among these, one for all connectors that share it; what is not shared is left out.

    `whole` is how many connectors `--all` would select, if the user selected so: then it stands for as many names.
    """
    groups: dict[str, dict[str, None]] = {}
    for advice in advices:
        if is_shared(advice):
            pattern, arguments = _split(advice)
            groups.setdefault(pattern, {}).update(dict.fromkeys(arguments))
    return [_joined(pattern, tuple(arguments), whole) for pattern, arguments in groups.items()]


def _split(advice: str) -> tuple[str, list[str]]:
    """A command without what differs by connector, and that."""
    if match := _OF_CONNECTORS.fullmatch(advice):
        return f"airbyte-ci connectors \0 {match[2]}", match[1].split()
    if match := _OF_MANY.fullmatch(advice):
        return f"{match[1]} \0", [match[2]]
    return advice, []


def _joined(pattern: str, arguments: tuple[str, ...], whole: int) -> str:
    is_whole = len(arguments) == whole > 1 and pattern.startswith("airbyte-ci connectors")
    return pattern.replace("\0", "--all" if is_whole else " ".join(arguments))
