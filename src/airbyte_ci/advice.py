"""Advice is a command that a shell can run unchanged, or a sentence for a person. JSON has a key for each."""

import re

# The first words of commands in advice. All other advice is a sentence.
_PROGRAMS = (
    "airbyte-ci",
    "git",
    "docker",
    "curl",
    "sudo",
    "apt-get",
    "chmod",
    "poetry",
    "uv",
    "echo",
    "ss",
    "export",
    "(cd",
)
_COMMAND = rf"(?:{'|'.join(map(re.escape, _PROGRAMS))}|\$EDITOR|/\S*python\S* -m pip) \S.*"
# Placeholders that a person must replace.
_OPEN = r"…|\b(?:FILE|DIR|NAME|ADDRESS|PR_NUMBER|VERSION)\b|/a/folder"


def is_command(advice: str) -> bool:
    """Returns whether the advice is a command that a shell can run unchanged."""
    return re.fullmatch(_COMMAND, advice) is not None and re.search(_OPEN, advice) is None and "; or " not in advice


def to_json(advice: str) -> dict[str, str]:
    """Returns the advice under `next` if it is a command, and else under `advice`; an empty object without advice."""
    return {("next" if is_command(advice) else "advice"): advice} if advice else {}
