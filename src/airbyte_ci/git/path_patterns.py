"""Path patterns in the syntax of .gitignore, matched without backtracking.

A pattern is compared name by name. `**` takes the fewest names that let the next ones match. That is always correct,
because the next `**` can take more. Stars within a name work the same way, so no comparison is repeated.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

Name = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A compiled pattern: runs of names with any names between them, and how many names may follow the last run."""

    runs: tuple[tuple[Name, ...], ...]
    is_anchored: bool
    least_below: int
    is_open: bool

    def matches(self, path: str) -> bool:
        """Returns whether the pattern matches a path that is relative to the pattern's folder."""
        names = path.split("/")
        at = 0
        last = len(self.runs) - 1
        for number, run in enumerate(self.runs):
            begins = range(at, len(names) - len(run) + 1)
            if number == 0 and self.is_anchored:
                begins = begins[:1]
            if number == last and not self.is_open:
                begins = begins[-1:] if not (number == 0 and self.is_anchored) else begins
            begin = next((begin for begin in begins if _fits(run, names, begin)), None)
            if begin is None:
                return False
            at = begin + len(run)
        below = len(names) - at
        return below >= self.least_below and (self.is_open or below == 0)


def _fits(run: tuple[Name, ...], names: list[str], begin: int) -> bool:
    return all(fits(names[begin + offset]) for offset, fits in enumerate(run))


def compile_pattern(pattern: str) -> PathPattern | None:
    """Returns the compiled pattern; None for one that matches nothing.

    Follows git, except for a lone star at the end: GitHub's `docs/*` does not match files in subfolders.
    """
    if pattern.strip("/") == "":
        return None
    parts = pattern.removeprefix("/").removesuffix("/").split("/")
    has_slash = "/" in pattern.removesuffix("/")
    least_below = int(pattern.endswith("/"))
    is_open = pattern.endswith("/") or not (has_slash and parts[-1] == "*")
    if parts[-1] == "**":
        parts, least_below, is_open = parts[:-1], least_below + 1, True
    runs: list[tuple[Name, ...]] = []
    run: list[Name] = []
    for part in parts:
        if part == "**":
            runs.append(tuple(run))
            run = []
        else:
            run.append(_name(part))
    runs.append(tuple(run))
    is_anchored = has_slash or not parts
    if not runs[0] and len(runs) > 1:
        runs, is_anchored = runs[1:], False
    return PathPattern(tuple(runs), is_anchored, least_below, is_open)


@functools.lru_cache(4096)
def _name(part: str) -> Name:
    """Compiles one name of a path with `*`, `?` and escapes."""
    tokens = re.findall(r"\\.|\*+|\?|[^\\*?]|\\", part, re.DOTALL)
    if not any(token[0] in "*?" for token in tokens):
        return "".join(map(_literal, tokens)).__eq__
    pieces = [""]
    for token in tokens:
        if token[0] == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if token == "?" else re.escape(_literal(token))
    first, *inner = pieces
    # Each star takes the fewest characters and is never extended later, except for the last star.
    expression = (
        first + "".join(f"(?>.*?{piece})" for piece in inner[:-1]) + "".join(f".*{last}" for last in inner[-1:])
    )
    compiled = re.compile(expression, re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _literal(token: str) -> str:
    return token[1:] if len(token) == 2 and token[0] == "\\" else token
