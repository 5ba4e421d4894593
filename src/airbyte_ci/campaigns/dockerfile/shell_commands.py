"""Parses a RUN instruction into commands: packages, Python packages, the connector, nothing, the rest."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from airbyte_ci.campaigns.dockerfile import heredoc
from airbyte_ci.campaigns.dockerfile.syntax import Instruction

Kind = Literal["packages", "python", "install", "requirements", "nothing", "other", "by_hand"]

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
_REQUIREMENTS = ("-r", "--requirement")
# pip's options that change the source or the selection of packages.
_PIP_SOURCES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "-c", "--constraint")
_PIP_NOTHING = ("uninstall", "cache", "check", "list", "freeze", "show", "debug", "help", "")
# Programs that install packages without the connector's own files.
_OTHER_INSTALLERS = ("poetry", "uv", "pdm", "pipenv", "conda", "mamba", "micromamba", "easy_install", "pipx")
_OWN_DEPENDENCIES = "the build installs what the connector's own files declare"
# The folder of the code in the original images.
_CODE = "/airbyte/integration_code"
# Characters that need a shell anywhere in a command, in any quotes.
_SHELL = re.compile(r"[$*?\[\]{}<>~`!^]|^\s*[A-Za-z_]\w*=")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_WRITES = re.compile(r"(?:^|\s)\d?>>?\s*(?!/dev/null|&)\S")
# These affect later commands, and leave no files.
_SETTINGS = frozenset(("cd", "export", "unset", "umask", "ulimit", "shopt", "alias", "trap", "source", ".", "pushd"))
# More than this module supports: the whole instruction is reported unchanged.
_HARD = frozenset(
    (
        *("if", "for", "while", "until", "case", "select", "function", "{", "}", "!", "[[", "time", "do", "done", "fi"),
        *("then", "else", "elif", "esac", "exec", "eval", "read", "local", "declare"),
    )
)
_SHELLS = ("sh", "bash", "ash", "dash")
# Words, quotes and comments of a shell text; separators of commands are tokens.
_TOKEN = re.compile(
    r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|[<>]&|&>|&&|\|\||(?<!\S)\#[^\n]*|[\w./=:,+@%-]+|[^\\'"]""",
    re.DOTALL,
)
_INSTALLS = re.compile(r"\bpip3?\s++install\b|\bpoetry\s++(?:install|add)\b|\buv\s++(?:sync|add)\b")
_FOREIGN = re.compile(r"(?:^|[\s;&|(])(apk|yum|dnf|microdnf)\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """One command of a RUN: its kind, and the relevant words (names of packages, or all words).

    A command of the kind `other` with a single word is a text for the shell. One `by_hand` has a `reason`. `pinned` are
    the packages with a requested version, and `unread` those whose names only a shell knows. `install` has the paths of
    the projects, `requirements` those of the files. `source` is the original text.
    """

    kind: Kind
    words: tuple[str, ...]
    manager: str = ""
    pinned: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    reason: str = ""
    source: str = ""

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(instruction: Instruction) -> Iterator[ShellCommand]:
    """Returns the commands of a RUN in order; all of it is one command if separate ones would behave differently."""
    _, rest = instruction.flags()
    listed = Instruction("RUN", rest, instruction.line).listed()
    if listed is None:
        text = _script(rest)
        yield from _taken_apart(text) or ([_whole(text, (text,))] if text.strip() else [])
    elif len(listed) == 3 and listed[0].rpartition("/")[2] in _SHELLS and listed[1] == "-c":
        yield from _taken_apart(listed[2]) or [_whole(listed[2], tuple(listed))]
    elif listed:
        yield from _commands(listed, None)


def _script(text: str) -> str:
    """Returns the shell's input: the lines of a here-document that is all of the RUN, else the text."""
    head, documents = heredoc.read(text)
    if len(documents) != 1 or heredoc.without(head):
        return text
    (document,) = documents
    if not (first := document.text.partition("\n")[0]).startswith("#!"):
        return document.text.rstrip("\n")
    # It names its reader.
    end = f"'{document.name}'" if document.is_literal else document.name
    return f"{first[2:].strip()} <<{end}\n{document.text}{document.name}"


def _whole(text: str, words: tuple[str, ...]) -> ShellCommand:
    if _INSTALLS.search(text):
        return ShellCommand(
            kind="by_hand",
            words=words,
            reason="it installs Python packages, which the build does, and more",
            source=text,
        )
    if found := _FOREIGN.search(text):
        return ShellCommand(kind="by_hand", words=words, reason=f"Debian has no {found[1]}", source=text)
    return ShellCommand(kind="other", words=words, source=text)


def _taken_apart(text: str) -> list[ShellCommand] | None:
    """Returns the commands of a shell text; None if separate ones would behave differently."""
    try:
        parts = list(_parts(text))
    except ValueError:  # an unclosed quote, a pipe, a construct
        return None
    stops = bool(parts) and parts[0].words[0] == "set" and any(re.match("-[a-z]*e", word) for word in parts[0].words)
    commands: list[ShellCommand] = []
    others = settings = 0  # `others` in this list of `&&` and `||`
    for part in parts:
        found = _commands(part.words, part.text)
        if part.words[0] in _SETTINGS or all(map(_ASSIGNMENT.fullmatch, part.words)):
            settings += 1
            found = [ShellCommand(kind="nothing", words=tuple(part.words), source=part.text)]
        if part.separator == "||" and (others or any(command.kind != "nothing" for command in found)):
            return None
        if part.separator in (";", "\n"):
            if others and not stops:
                return None  # it continued after a failure
            others = 0
        others += any(command.kind == "other" for command in found)
        commands += found
    is_done = any(command.kind == "other" for command in commands)
    return None if settings and is_done else commands


@dataclass(frozen=True, slots=True)
class _Part:
    """One simple command: the operator before it, its text, and its words without quotes."""

    separator: str
    text: str
    words: list[str]


def _parts(text: str) -> Iterator[_Part]:
    """Returns the simple commands between `&&`, `||`, `;` and line ends; raises ValueError for other constructs."""
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


def _commands(words: list[str], text: str | None) -> list[ShellCommand]:
    """Classifies a simple command; `text` is its shell text, None if it had no shell."""
    source = shlex.join(words) if text is None else text
    return [replace(command, source=source) for command in _of_program(words, text)]


def _of_program(words: list[str], text: str | None) -> Iterator[ShellCommand]:
    plain = [word for word in words if word != "sudo"]
    while plain and text is not None and _ASSIGNMENT.fullmatch(plain[0]):
        plain = plain[1:]
    program, arguments = (plain[0].rpartition("/")[2], plain[1:]) if plain else ("", [])
    first = arguments[0] if arguments else ""
    if program in _SYSTEM:
        yield _system(program, arguments)
    elif re.fullmatch(r"pip[\d.]*", program):
        yield from _pip(arguments)
    elif (program.startswith("python") and arguments[:2] == ["-m", "pip"]) or (program, first) == ("uv", "pip"):
        yield from _pip(arguments[2 if program != "uv" else 1 :])
    elif (program, first) in (("poetry", "install"), ("uv", "sync")):
        yield from _synced(arguments)
    elif program.startswith("python") and arguments[:2] == ["setup.py", "install"]:
        yield ShellCommand(kind="install", words=(".",))
    elif not plain or _leaves_nothing(program, arguments):
        yield ShellCommand(kind="nothing", words=tuple(words))
    elif program in _OTHER_INSTALLERS:
        yield ShellCommand(kind="by_hand", words=tuple(words), reason=_OWN_DEPENDENCIES)
    elif text is not None and _SHELL.search(text):
        yield ShellCommand(kind="other", words=(text,))
    else:
        # A single word would be treated as a text.
        yield ShellCommand(kind="other", words=tuple(words) if len(words) > 1 else (shlex.quote(words[0]),))


def _system(manager: str, arguments: list[str]) -> ShellCommand:
    verbs = list(_names(arguments))
    if not verbs or verbs[0] != _SYSTEM[manager]:
        return ShellCommand(kind="nothing", words=(manager, *arguments), manager=manager)  # update, upgrade, clean, del
    if any(name.endswith((".deb", ".apk", ".rpm")) for name in verbs[1:]):
        return ShellCommand(kind="by_hand", words=tuple(verbs), manager=manager, reason="the package comes from a file")
    asked = [name for name in verbs[1:] if not name.startswith(".")]  # `.deps` is a virtual name of apk
    # Versions are those of the old distribution.
    names = (re.split(r"[=<>~]", name)[0] for name in asked if "$" not in name)
    pinned = tuple(name for name in asked if re.search(r".[=<>~]", name) and "$" not in name)
    unread = tuple(name for name in asked if "$" in name)
    return ShellCommand(
        kind="packages", words=tuple(name for name in names if name), manager=manager, pinned=pinned, unread=unread
    )


def _pip(arguments: list[str]) -> Iterator[ShellCommand]:
    names = list(_names(arguments))
    verb = names[0] if names else ""
    if verb not in ("install", "wheel", "download"):
        reason = "airbyte-ci reads pip's settings from the environment of the build"
        is_nothing = verb in _PIP_NOTHING
        yield ShellCommand(
            kind="nothing" if is_nothing else "by_hand", words=("pip", *arguments), reason="" if is_nothing else reason
        )
        return
    options = dict(_options(arguments))
    sources = [f"{name} {value}".strip() for name, value in options.items() if name in _PIP_SOURCES]
    if sources:
        reason = "airbyte-ci takes packages from the indexes of pip's own settings (PIP_INDEX_URL, …) and the lock"
        yield ShellCommand(kind="by_hand", words=("pip", verb, *sources), reason=reason)
    own = [*(name for name in names[1:] if _is_path(name)), *_values(arguments, ("-e", "--editable"))]
    wanted = [name for name in names[1:] if not _is_path(name) and name not in own]
    files = _values(arguments, _REQUIREMENTS)
    yield from (ShellCommand(kind="install", words=(path,)) for path in own)
    yield from (ShellCommand(kind="requirements", words=(path,)) for path in files)
    yield from (ShellCommand(kind="python", words=(name,)) for name in wanted if not _OWN_TOOLS.fullmatch(name))
    if not own and not files and all(_OWN_TOOLS.fullmatch(name) for name in wanted):
        yield ShellCommand(kind="nothing", words=("pip", *arguments))


def _synced(arguments: list[str]) -> Iterator[ShellCommand]:
    """Handles `poetry install` and `uv sync`, which install the lock; options select groups and extras."""
    more = ("-E", "--extras", "--extra", "--all-extras", "--with", "--group", "--all-groups", "--only", "--only-group")
    asked = [f"{name} {value}".strip() for name, value in _options(arguments) if name in more and value != "main"]
    if asked:
        reason = "name them under `groups` or `extras` in .airbyte-ci.toml"
        yield ShellCommand(kind="by_hand", words=tuple(asked), reason=reason)
    yield ShellCommand(kind="install", words=(".",))


def _is_path(name: str) -> bool:
    """Returns whether pip treats a word as a folder or a file."""
    plain = name.partition("[")[0]
    return plain in (".", "..") or plain.startswith(("./", "../", "/", "$")) or plain.endswith((".whl", ".tar.gz"))


def _options(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """Returns each option with its value, after `=` or in the next word; empty if it has none."""
    for at, word in enumerate(arguments):
        if word.startswith("-"):
            name, is_given, value = word.partition("=")
            following = arguments[at + 1] if at + 1 < len(arguments) else ""
            yield name, value if is_given else following if not following.startswith("-") else ""


def _values(arguments: list[str], names: tuple[str, ...]) -> list[str]:
    short = [word[2:] for word in arguments if word.startswith("-r") and len(word) > 2 and "-r" in names]
    return [value for name, value in _options(arguments) if name in names] + short


def _names(arguments: list[str]) -> Iterator[str]:
    """Returns the words that are neither options, values of options, nor redirections."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in _WITH_VALUE or word in ("-e", "--editable") or word in (">", ">>", "2>", "<"):
            skip = True
        elif not word.startswith("-") and not re.match(r"\d*[<>]", word):
            yield word


def _leaves_nothing(program: str, arguments: list[str]) -> bool:
    """Returns whether the build or the base covers the command, or it only cleans up."""
    paths = [word for word in arguments if not word.startswith("-")]
    text = " ".join(arguments)
    match program:
        case "true" | ":" | "set" | "pwd" | "ls" | "which" if _WRITES.search(text):
            return False
        case "rm":
            return bool(paths) and all(path.startswith(_CACHES) for path in paths)
        case "mkdir":
            return all(path.rstrip("/") in ("/airbyte", _CODE, ".") for path in paths)
        case "echo" | "ln" | "cp":
            # The time zone, which is UTC in every base.
            return "/etc/timezone" in text or "/etc/localtime" in text
        case "poetry":
            return paths[:1] in (["export"], ["lock"], ["check"], ["self"]) or text.startswith("config virtualenvs.")
        case "uv":
            return paths[:1] in (["export"], ["venv"], ["lock"])
        case "true" | ":" | "set" | "pwd" | "ls" | "which":
            return True
    return program.startswith("python") and arguments in (["--version"], ["-V"])
