"""CODEOWNERS as GitHub reads it: who owns a path. Who these people are is not known here.

https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airbyte_ci.checks.path_patterns import PathPattern, compile_pattern
from airbyte_ci.connectors import git
from airbyte_ci.documents import DocumentError, read_file
from airbyte_ci.errors import ConnectorError

# The first that exists counts, and no other.
PLACES: Sequence[str] = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
# GitHub does not load a larger one: https://docs.github.com/…/about-code-owners#codeowners-file-size
_SIZE_LIMIT = 3 << 20
_OWNER = re.compile(
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:_[A-Za-z0-9]+)?(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+\.[^@\s]+"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A pattern, its owners (none: what it matches is nobody's), and its line number."""

    pattern: str
    owners: tuple[str, ...]
    number: int
    compiled: PathPattern | None = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """The file's path from the repository's root, and its lines that GitHub understands."""

    path: str
    lines: tuple[Line, ...]

    def of(self, path: str) -> Line | None:
        """The last line that matches the path: it alone counts. None: no line does."""
        return next((line for line in reversed(self.lines) if line.compiled and line.compiled.matches(path)), None)


def load(root: Path) -> CodeOwners | None:
    """The repository's file; None where there is none. Raises ConnectorError when it cannot be read."""
    for place in PLACES:
        if (root / place).is_file():
            try:
                return _read(read_file(root / place, _SIZE_LIMIT), place)
            except DocumentError:
                return CodeOwners(place, ())
            except OSError as error:
                raise ConnectorError(f"reading {place}: {error.strerror}") from error
    return None


def committed(root: Path, commit: str) -> CodeOwners | None:
    """The file as it was in a commit; None where there was none. `root` is the top of the git repository."""
    found = git.committed(root, commit, PLACES)
    return next((_read(found[place], place) for place in PLACES if place in found), None)


def _read(raw: bytes, place: str) -> CodeOwners:
    return parse(raw.decode("utf-8-sig", "replace") if len(raw) <= _SIZE_LIMIT else "", place)


def parse(text: str, path: str) -> CodeOwners:
    """Lines that GitHub cannot read (negations, character ranges, a word that is no owner) are left out, as it does."""
    return CodeOwners(path, tuple(_lines(text)))


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern is about a path from the repository's root; case counts."""
    compiled = compile_pattern(pattern)
    return compiled is not None and compiled.matches(path)


def _lines(text: str) -> Iterator[Line]:
    # Only a line feed ends a line. Python's splitlines and \\s know more line ends and blanks, which would hide lines
    # that GitHub reads, or show some that it does not.
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line.removesuffix("\r"))
        if not words or words[0].startswith(("!", "\\#")) or "[" in words[0] or "***" in words[0]:
            continue
        pattern, *owners = words
        if all(_OWNER.fullmatch(owner) for owner in owners):
            yield Line(pattern, tuple(owners), number, compile_pattern(pattern))


def _words(line: str) -> list[str]:
    """Spaces and tabs separate, unless a backslash is before them; # starts a comment at the beginning of a word."""
    words = []
    for word in re.findall(r"(?:\\.|[^ \t])+", line, re.DOTALL):
        if word.startswith("#"):
            break
        words.append(word)
    return words
