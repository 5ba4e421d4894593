"""CODEOWNERS as GitHub reads it: who owns a path. Who these people are is not known here.

https://docs.github.com/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.connectors import git
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


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """The file's path from the repository's root, and its lines that GitHub understands."""

    path: str
    lines: tuple[Line, ...]

    def of(self, path: str) -> Line | None:
        """The last line that matches the path: it alone counts. None: no line does."""
        return next((line for line in reversed(self.lines) if matches(line.pattern, path)), None)


def load(root: Path) -> CodeOwners | None:
    """The repository's file; None where there is none. Raises ConnectorError when it cannot be read."""
    for place in PLACES:
        if (root / place).is_file():
            try:
                return _read((root / place).read_bytes(), place)
            except OSError as error:
                raise ConnectorError(f"reading {place}: {error.strerror}") from error
    return None


def committed(root: Path, commit: str) -> CodeOwners | None:
    """The file as it was in a commit; None where there was none. `root` is the top of the git repository."""
    found = git.committed(root, commit, PLACES)
    return next((_read(found[place], place) for place in PLACES if place in found), None)


def _read(raw: bytes, place: str) -> CodeOwners:
    return parse(raw.decode("utf-8", "replace") if len(raw) <= _SIZE_LIMIT else "", place)


def parse(text: str, path: str) -> CodeOwners:
    """Lines that GitHub cannot read (negations, character ranges, a word that is no owner) are left out, as it does."""
    return CodeOwners(path, tuple(_lines(text)))


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern is about a path from the repository's root; case counts."""
    return _compiled(pattern).fullmatch(path) is not None


def _lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        words = _words(line)
        if not words or words[0].startswith("!") or "[" in words[0] or "***" in words[0]:
            continue
        pattern, *owners = words
        if all(_OWNER.fullmatch(owner) for owner in owners):
            yield Line(pattern, tuple(owners), number)


def _words(line: str) -> list[str]:
    """Blanks separate, unless a backslash is before them; # starts a comment at the beginning of a word."""
    words = []
    for word in re.findall(r"(?:\\.|\S)+", line):
        if word.startswith("#"):
            break
        words.append(word)
    return words


@functools.lru_cache(512)
def _compiled(pattern: str) -> re.Pattern[str]:
    """As .gitignore's, but `docs/*` is not about what lies deeper."""
    if pattern == "/":
        return re.compile(r"(?!)")
    parts = pattern.removeprefix("/").removesuffix("/").split("/")
    is_anchored = "/" in pattern.removesuffix("/")
    expression = "" if is_anchored else "(?:.*/)?"
    for position, part in enumerate(parts):
        is_last = position == len(parts) - 1
        if part == "**":
            expression += ".+" if is_last else "(?:.*/)?"
        else:
            expression += _part(part) + ("" if is_last else "/")
    if pattern.endswith("/"):
        return re.compile(f"{expression}/.+", re.DOTALL)
    # A name may be a folder's; only a lone star in the last place stays on its level.
    deeper = "" if parts[-1] == "**" or (parts[-1] == "*" and is_anchored) else "(?:/.*)?"
    return re.compile(expression + deeper, re.DOTALL)


def _part(part: str) -> str:
    """One name of a path with `*`, `?` and escapes."""
    found = re.findall(r"\\.|\*|\?|[^\\*?]+|\\", part)
    special = {"*": "[^/]*", "?": "[^/]"}
    return "".join(
        special.get(piece) or re.escape(piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece) for piece in found
    )
