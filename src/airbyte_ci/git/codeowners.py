"""Reads CODEOWNERS as GitHub does and finds the owners of a path. Does not resolve teams to people.

https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.documents import DocumentError, read_file
from airbyte_ci.errors import ConnectorError
from airbyte_ci.git import git
from airbyte_ci.git.path_patterns import PathPattern, compile_pattern

# GitHub uses only the first of these that exists.
PLACES: Sequence[str] = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
# GitHub does not load a larger one: https://docs.github.com/…/about-code-owners#codeowners-file-size
_SIZE_LIMIT = 3 << 20
_OWNER = re.compile(
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:_[A-Za-z0-9]+)?(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+\.[^@\s]+"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A pattern, its owners (empty: matching files have no owner), and its line number."""

    pattern: str
    owners: tuple[str, ...]
    number: int
    compiled: PathPattern | None = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """The file's path from the repository's root, and its lines that GitHub accepts."""

    path: str
    lines: tuple[Line, ...]

    def of(self, path: str) -> Line | None:
        """Returns the last line that matches the path, which overrides all others; None when no line matches."""
        return next((line for line in reversed(self.lines) if line.compiled and line.compiled.matches(path)), None)


def load(root: Path) -> CodeOwners | None:
    """Returns the repository's file; None where it has none. Raises ConnectorError when it cannot be read."""
    for place in PLACES:
        if (root / place).is_file():
            try:
                return _read(read_file(root / place, _SIZE_LIMIT), place)
            except DocumentError:
                return CodeOwners(place, ())
            except OSError as error:
                raise ConnectorError(f"cannot read {place}: {error.strerror}") from error
    return None


def committed(root: Path, commit: str) -> CodeOwners | None:
    """Returns the file at a commit; None where the commit has none. `root` is the top of the git repository."""
    found = git.committed(root, commit, PLACES)
    return next((_read(found[place], place) for place in PLACES if place in found), None)


def _read(raw: bytes, place: str) -> CodeOwners:
    return parse(raw.decode("utf-8-sig", "replace") if len(raw) <= _SIZE_LIMIT else "", place)


def parse(text: str, path: str) -> CodeOwners:
    """Parses the lines. Skips those that GitHub rejects: negations, character ranges, and words that are not owners."""
    return CodeOwners(path, tuple(_lines(text)))


def matches(pattern: str, path: str) -> bool:
    """Returns whether a pattern matches a path from the repository's root; case-sensitive."""
    compiled = compile_pattern(pattern)
    return compiled is not None and compiled.matches(path)


def _lines(text: str) -> Iterator[Line]:
    # Only a line feed ends a line. Python's splitlines and \\s accept more characters, which would hide lines that
    # GitHub reads or add lines that it does not read.
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line.removesuffix("\r"))
        if not words or words[0].startswith(("!", "\\#")) or "[" in words[0] or "***" in words[0]:
            continue
        pattern, *owners = words
        if all(_OWNER.fullmatch(owner) for owner in owners):
            yield Line(pattern, tuple(owners), number, compile_pattern(pattern))


def _words(line: str) -> list[str]:
    """Splits at spaces and tabs that no backslash escapes; # at the beginning of a word starts a comment."""
    words = []
    for word in re.findall(r"(?:\\.|[^ \t])+", line, re.DOTALL):
        if word.startswith("#"):
            break
        words.append(word)
    return words
