"""What a RUN instruction does, command by command: packages, Python packages, the connector, nothing, the rest."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from airbyte_ci.campaigns.dockerfile import Instruction

Kind = Literal["packages", "python", "install", "nothing", "other"]

_SYSTEM = {
    "apt-get": "install",
    "apt": "install",
    "apk": "add",
    "yum": "install",
    "dnf": "install",
    "microdnf": "install",
}
_WITH_VALUE = {
    "-t",
    "--virtual",
    "--repository",
    "-X",
    "--target-release",
    "-o",
    "-c",
    "-r",
    "--requirement",
    "-e",
    "--editable",
    "-i",
    "--index-url",
    "--extra-index-url",
    "--prefix",
    "--target",
    "--find-links",
    "-f",
    "--constraint",
    "--root",
}
_CACHES = ("/var/lib/apt", "/var/cache", "/root/.cache", "/tmp", "/var/tmp", "/root/.npm")
_OWN_TOOLS = re.compile(r"(pip|setuptools|wheel|poetry|uv|pipenv)(\[[\w,]*\])?([=<>~!].*)?")
_OWN_FILES = (".", "./", ".[main]", "./.")
# More than this module understands: the whole instruction is told as it stands.
_HARD = re.compile(r"\$\(|`|<<|\b(?:if|for|while|case|until|function)\b|\{\s")
# `2>&1` is no end of a command.
_MERGED = re.compile(r"\s\d?>&\d")
_CODE = "/airbyte/integration_code"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a RUN: what kind it is, and the words that matter (names of packages, or all of it)."""

    kind: Kind
    words: tuple[str, ...]
    manager: str = ""

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(instruction: Instruction) -> Iterator[Command]:
    """The commands of a RUN, in order. One that cannot be taken apart is one command of the kind `other`."""
    _, rest = instruction.flags()
    listed = Instruction("RUN", rest, instruction.line).listed()
    if listed is not None:
        if len(listed) == 3 and listed[1] == "-c":
            rest = listed[2]
        else:
            yield _command(listed)
            return
    try:
        parts = None if _HARD.search(rest) else list(_split(rest))
    except ValueError:  # a quote that is not closed
        parts = None
    # One of these changes what the commands after it do.
    if parts is None or any(words[:1] in (["cd"], ["export"], ["exec"], ["source"], ["."]) for words in parts):
        yield Command("other", (rest,))
        return
    for words in parts:
        yield _command(words)


def _split(text: str) -> Iterator[list[str]]:
    """The simple commands between `&&`, `||`, `;` and line ends; raises ValueError where it is more than these."""
    lexer = shlex.shlex(_MERGED.sub(" ", text), posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    words: list[str] = []
    for token in lexer:
        if set(token) <= set("&;|"):
            if token in ("|", "&"):
                raise ValueError("a pipe")
            yield words
            words = []
        else:
            words.append(token)
    yield words


def _command(words: list[str]) -> Command:
    plain = [word for word in words if word != "sudo"]
    while plain and re.fullmatch(r"[A-Za-z_]\w*=.*", plain[0]):
        plain = plain[1:]
    if not plain:
        return Command("nothing", ())
    program, arguments = plain[0].rpartition("/")[2], plain[1:]
    if program in _SYSTEM:
        return _system(program, arguments)
    if program in ("pip", "pip3") or (program.startswith("python") and arguments[:2] == ["-m", "pip"]):
        return _pip(arguments[2:] if program.startswith("python") else arguments)
    if (program, *arguments[:1]) in (("poetry", "install"), ("uv", "sync")):
        return Command("install", tuple(words))
    if _leaves_nothing(program, arguments):
        return Command("nothing", tuple(words))
    return Command("other", tuple(words))


def _system(manager: str, arguments: list[str]) -> Command:
    verbs = list(_names(arguments))
    if not verbs or verbs[0] != _SYSTEM[manager]:
        return Command("nothing", (manager, *arguments), manager)  # update, upgrade, clean, del
    # Versions belong to the old distribution; `.deps` is a virtual name of apk.
    names = (re.split(r"[=<>~]", name)[0] for name in verbs[1:] if not name.startswith((".", "$")))
    return Command("packages", tuple(name for name in names if name), manager)


def _pip(arguments: list[str]) -> Command:
    names = list(_names(arguments))
    if not names or names[0] != "install":
        return Command("nothing", tuple(arguments))
    wanted = [name for name in names[1:] if not _OWN_TOOLS.fullmatch(name) and not _is_own(name)]
    if wanted:
        return Command("python", tuple(wanted))
    own = any(_is_own(name) for name in names[1:]) or {"-r", "--requirement"} & set(arguments)
    return Command("install" if own else "nothing", tuple(arguments))


def _is_own(name: str) -> bool:
    return name in _OWN_FILES or name.startswith((".[", "./[")) or name.rstrip("/") == _CODE


def _names(arguments: list[str]) -> Iterator[str]:
    """The words that are no options, no values of options, and no redirections."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in _WITH_VALUE or word in (">", ">>", "2>", "<"):
            skip = True
        elif not word.startswith("-") and not re.match(r"\d*[<>]", word):
            yield word


def _leaves_nothing(program: str, arguments: list[str]) -> bool:
    """What the build does itself, what the base has, and what cleans up."""
    paths = [word for word in arguments if not word.startswith("-")]
    text = " ".join(arguments)
    match program:
        case "rm":
            return bool(paths) and all(path.startswith(_CACHES) for path in paths)
        case "mkdir":
            return all(path.rstrip("/") in ("/airbyte", _CODE, ".") for path in paths)
        case "echo" | "ln" | "cp":
            # The time zone, which is UTC in every base.
            return "/etc/timezone" in text or "/etc/localtime" in text
        case "poetry":
            return paths[:1] in (["config"], ["export"], ["lock"], ["check"], ["self"])
        case "uv":
            return paths[:1] in (["export"], ["venv"], ["lock"])
        case "true" | ":" | "set" | "pwd" | "ls" | "which":
            return True
    return program.startswith("python") and arguments in (["setup.py", "install"], ["--version"])
