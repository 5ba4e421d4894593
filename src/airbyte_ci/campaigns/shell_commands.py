"""What a RUN instruction does, command by command: packages, Python packages, the connector, nothing, the rest."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from airbyte_ci.campaigns import heredoc
from airbyte_ci.campaigns.carried import CODE
from airbyte_ci.campaigns.dockerfile import Instruction

Kind = Literal["packages", "python", "install", "nothing", "other", "by_hand"]

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
# What needs a shell where it stands in a command, in whatever quotes.
_SHELL = re.compile(r"[$*?\[\]{}<>~`!^]|^\s*[A-Za-z_]\w*=")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_WRITES = re.compile(r"(?:^|\s)\d?>>?\s*(?!/dev/null|&)\S")
# These change what the commands after them do, and leave nothing.
_SETTINGS = frozenset(("cd", "export", "unset", "umask", "ulimit", "shopt", "alias", "trap", "source", ".", "pushd"))
# More than this module understands: the whole instruction is told as it stands.
_HARD = frozenset(
    (
        *("if", "for", "while", "until", "case", "select", "function", "{", "}", "!", "[[", "time", "do", "done", "fi"),
        *("then", "else", "elif", "esac", "exec", "eval", "read", "local", "declare"),
    )
)
_SHELLS = ("sh", "bash", "ash", "dash")
# Words, quotes and comments of a shell's text; what stands between its commands is a token of its own.
_TOKEN = re.compile(
    r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|[<>]&|&>|&&|\|\||(?<!\S)\#[^\n]*|[\w./=:,+@%-]+|[^\\'"]""",
    re.DOTALL,
)
_INSTALLS = re.compile(
    r"\bpip3?\s+install\b[^&|;\n]*\s(?:\./?(?:\[|\s|$)|-r\b|--requirement\b)|\bpoetry\s+install\b|\buv\s+sync\b"
)
_FOREIGN = re.compile(r"(?:^|[\s;&|(])(apk|yum|dnf|microdnf)\s")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a RUN: what kind it is, and the words that matter (names of packages, or all of it).

    One of the kind `other` with a single word is a text for the shell. One `by_hand` says why in `reason`. `pinned` are
    the packages that were asked for in a version, and `unread` those whose names only a shell knows.
    """

    kind: Kind
    words: tuple[str, ...]
    manager: str = ""
    pinned: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    reason: str = ""

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(instruction: Instruction) -> Iterator[Command]:
    """The commands of a RUN, in order; all of it is one command where they would not do the same one by one."""
    _, rest = instruction.flags()
    listed = Instruction("RUN", rest, instruction.line).listed()
    if listed is None:
        text = _script(rest)
        yield from _taken_apart(text) or [_whole(text, (text,))]
    elif len(listed) == 3 and listed[0].rpartition("/")[2] in _SHELLS and listed[1] == "-c":
        yield from _taken_apart(listed[2]) or [_whole(listed[2], tuple(listed))]
    elif listed:
        yield _command(listed, None)


def _script(text: str) -> str:
    """What the shell is given: the lines of a here-document that is all of the RUN, else the text as it stands."""
    head, documents = heredoc.read(text)
    if len(documents) != 1 or heredoc.without(head):
        return text
    (document,) = documents
    if not (first := document.text.partition("\n")[0]).startswith("#!"):
        return document.text.rstrip("\n")
    # It names who reads it.
    end = f"'{document.name}'" if document.is_literal else document.name
    return f"{first[2:].strip()} <<{end}\n{document.text}{document.name}"


def _whole(text: str, words: tuple[str, ...]) -> Command:
    if _INSTALLS.search(text):
        return Command("by_hand", words, reason="it installs the connector, which the build does, and more")
    if found := _FOREIGN.search(text):
        return Command("by_hand", words, reason=f"Debian has no {found[1]}")
    return Command("other", words)


def _taken_apart(text: str) -> list[Command] | None:
    """The commands of a shell's text; None where they would not do the same one by one."""
    try:
        parts = list(_parts(text))
    except ValueError:  # a quote that is not closed, a pipe, a construct
        return None
    stops = bool(parts) and parts[0].words[0] == "set" and any(re.match("-[a-z]*e", word) for word in parts[0].words)
    commands: list[Command] = []
    others = 0  # in this list of `&&` and `||`
    for part in parts:
        command = _command(part.words, part.text)
        if part.separator == "||" and (others or command.kind != "nothing"):
            return None
        if part.separator in (";", "\n"):
            if others and not stops:
                return None  # it went on after what failed
            others = 0
        others += command.kind == "other"
        commands.append(command)
    is_setting = [part.words[0] in _SETTINGS or all(map(_ASSIGNMENT.fullmatch, part.words)) for part in parts]
    kept = [command for command, setting in zip(commands, is_setting, strict=True) if not setting]
    if any(is_setting) and (not kept or any(command.kind == "other" for command in kept)):
        return None
    return kept


@dataclass(frozen=True, slots=True)
class _Part:
    """One simple command: what stands before it, its text, and its words without quotes."""

    separator: str
    text: str
    words: list[str]


def _parts(text: str) -> Iterator[_Part]:
    """The simple commands between `&&`, `||`, `;` and line ends; raises ValueError where it is more than these."""
    separator, written = "", ""
    for token in (*_tokens(text), ";"):
        if token in ("|", "&", "(", ")", "`", "<<"):
            raise ValueError(f"more than simple commands: {token}")
        if token not in ("&&", "||", ";", "\n"):
            is_nothing = token == "\\\n" or (token.startswith("#") and len(token) > 1)
            written += "" if is_nothing else token
            continue
        if written.strip():
            words = shlex.split(written)
            if words[0] in _HARD or "<<" in written:
                raise ValueError(f"more than simple commands: {words[0]}")
            yield _Part(separator, written.strip(), words)
            separator = token
        elif token in ("&&", "||"):
            raise ValueError("a command is missing")
        written = ""


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError("a quote is not closed")
        yield found[0]
        at = found.end()


def _command(words: list[str], text: str | None) -> Command:
    """What a simple command does; `text` is how a shell would be told, None where there was none."""
    plain = [word for word in words if word != "sudo"]
    while plain and text is not None and _ASSIGNMENT.fullmatch(plain[0]):
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
    if text is not None and _SHELL.search(text):
        return Command("other", (text,))
    # A single word would be taken for a text.
    return Command("other", tuple(words) if len(words) > 1 else (shlex.quote(words[0]),))


def _system(manager: str, arguments: list[str]) -> Command:
    verbs = list(_names(arguments))
    if not verbs or verbs[0] != _SYSTEM[manager]:
        return Command("nothing", (manager, *arguments), manager)  # update, upgrade, clean, del
    asked = [name for name in verbs[1:] if not name.startswith(".")]  # `.deps` is a virtual name of apk
    # Versions belong to the old distribution.
    names = (re.split(r"[=<>~]", name)[0] for name in asked if "$" not in name)
    pinned = tuple(name for name in asked if re.search(r".[=<>~]", name) and "$" not in name)
    unread = tuple(name for name in asked if "$" in name)
    return Command("packages", tuple(name for name in names if name), manager, pinned, unread)


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
    return name in _OWN_FILES or name.startswith((".[", "./[")) or name.rstrip("/") == CODE


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
        case "true" | ":" | "set" | "pwd" | "ls" | "which" if _WRITES.search(text):
            return False
        case "rm":
            return bool(paths) and all(path.startswith(_CACHES) for path in paths)
        case "mkdir":
            return all(path.rstrip("/") in ("/airbyte", CODE, ".") for path in paths)
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
