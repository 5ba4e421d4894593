"""Completes a command line with the index. Imports neither click nor a command."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci import config
from airbyte_ci.cli.completion import index
from airbyte_ci.cli.completion.index import CONNECTORS, FILE, FOLDER, VERSIONS, IndexedCommand, IndexedOption
from airbyte_ci.errors import AirbyteCiError

# click's scripts set this variable to `bash_complete`, and read the answer in their shell's form.
# https://click.palletsprojects.com/en/stable/shell-completion/
VARIABLE = "_AIRBYTE_CI_COMPLETE"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A possible word with its help; the kind `file` or `dir` asks the shell for paths instead."""

    value: str
    help: str = ""
    kind: str = "plain"


def run(environment: Mapping[str, str], build: Callable[[], IndexedCommand]) -> int:
    """Prints the suggestions for the line that a shell's script describes; `build` makes a missing index."""
    shell = environment[VARIABLE].partition("_")[0]
    words, word = _line(shell, environment)
    root = index.load(index_path(environment), build)
    try:
        found = list(suggest(root, words, word))
    except (AirbyteCiError, OSError):
        found = []  # a shell has no place for an error
    sys.stdout.write("".join(f"{_shown(shell, item)}\n" for item in found))
    return 0


def index_path(environment: Mapping[str, str]) -> Path:
    """Returns the file of the index, in the user's cache folder."""
    return config.home(environment) / "completion.json"


def _line(shell: str, environment: Mapping[str, str]) -> tuple[list[str], str]:
    """Returns the words before the one to complete, without the program's name, and the begin of that word."""
    words = _split(environment.get("COMP_WORDS", ""))
    if shell == "fish":
        word = environment.get("COMP_CWORD", "")
        # fish also sends the word itself, unless it is empty.
        return words[1:-1] if word and len(words) > 1 and words[-1] == word else words[1:], word
    position = int(environment.get("COMP_CWORD") or 0)
    word = words[position] if position < len(words) else ""
    # bash makes a word of each `=`.
    return [item for item in words[1:position] if item != "="], "" if word == "=" else word


def _split(line: str) -> list[str]:
    """Returns the words of a line whose last quote may still be open."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:
        words.append(lexer.token)
    return words


def suggest(root: IndexedCommand, words: Sequence[str], word: str) -> Iterator[Suggestion]:
    """Yields the words that can stand after `words` and begin with `word`."""
    command, used, repository, waiting = root, set[str](), "", None
    for item in words:
        if waiting:
            repository = item if "--repo" in waiting.names else repository
            waiting = None
        elif item.startswith("-"):
            name, _, value = item.partition("=")
            option = _find(command, name)
            used.add(name)
            if option and option.takes_value and "=" not in item:
                waiting = option
            elif option and "--repo" in option.names:
                repository = value
        else:
            command = _child(command, item) or command
    folder = Path(repository or ".")
    name, equals, value = word.partition("=")
    if waiting:
        yield from _values(waiting, word, folder)
    elif word.startswith("-") and equals:
        if option := _find(command, name):
            yield from (Suggestion(f"{name}={found.value}", found.help) for found in _values(option, value, folder))
    elif word.startswith("-"):
        yield from _names(command, word, used)
    elif command.commands:
        for name, child in command.commands.items():
            if name.startswith(word) or name.replace("_", "-").startswith(word):
                yield Suggestion(name, child.help)
    else:
        for argument in command.arguments:
            yield from _values(argument, word, folder)


def _child(command: IndexedCommand, name: str) -> IndexedCommand | None:
    plain = name.replace("_", "-")
    return next((child for key, child in command.commands.items() if key.replace("_", "-") == plain), None)


def _find(command: IndexedCommand, name: str) -> IndexedOption | None:
    return next((option for option in command.options if name in option.names), None)


def _names(command: IndexedCommand, word: str, used: set[str]) -> Iterator[Suggestion]:
    for option in command.options:
        if option.is_hidden or (not option.is_repeatable and used.intersection(option.names)):
            continue
        yield from (Suggestion(name, option.help) for name in option.names if name.startswith(word))


def _values(option: IndexedOption, word: str, folder: Path) -> Iterator[Suggestion]:
    if option.kind in (FILE, FOLDER):
        yield Suggestion(word, kind=option.kind)
        return
    found: Sequence[str] = option.values
    if option.kind == CONNECTORS:
        found = _connectors(folder)
    elif option.kind == VERSIONS:
        found = _versions(folder, with_candidates="-" in word)
    yield from (Suggestion(value) for value in found if value.startswith(word))


def _connectors(folder: Path) -> list[str]:
    from airbyte_ci.connectors import find

    return sorted(path.name for path in find.locate(config.find(folder)).folders)


def _versions(folder: Path, *, with_candidates: bool) -> list[str]:
    from airbyte_ci.base_images.catalog import catalog

    known = catalog.load(config.find(folder).catalog_path)
    usable = (item for item in known.versions if not item.withdrawal and (with_candidates or not item.is_prerelease))
    return list(dict.fromkeys(item.version for item in usable))


def _shown(shell: str, item: Suggestion) -> str:
    """Returns the suggestion in the form that click's script of the shell reads."""
    from airbyte_ci.text import escape

    value, help_ = escape(item.value), escape(item.help)
    if shell == "bash":
        return f"{item.kind},{value}"
    if shell == "fish":
        return f"{item.kind},{value}\t{help_}" if help_ else f"{item.kind},{value}"
    return f"{item.kind}\n{value.replace(':', chr(92) + ':') if help_ else value}\n{help_ or '_'}"
