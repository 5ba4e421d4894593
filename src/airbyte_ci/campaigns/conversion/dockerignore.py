"""Parses `.dockerignore`: its patterns as regular expressions.

https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

import posixpath
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DockerIgnore:
    """The file's patterns in order, each with whether it excludes a path (or includes it again, with `!`)."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...] = ()

    def ignores(self, path: str) -> bool:
        """Returns whether a path, relative to the folder, is excluded: the last matching pattern decides."""
        parts = path.split("/")
        places = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        ignored = False
        for pattern, takes_out in self.patterns:
            if ignored != takes_out and any(pattern.fullmatch(place) for place in places):
                ignored = takes_out
        return ignored


def parse(text: str) -> DockerIgnore:
    """Parses the file's text without comments and blank lines."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        plain = line.strip()
        if not plain or line.startswith("#"):
            continue
        takes_out = not plain.startswith("!")
        path = posixpath.normpath(plain.removeprefix("!").strip()).lstrip("/")
        if path != ".":
            patterns.append((re.compile(expression(path)), takes_out))
    return DockerIgnore(tuple(patterns))


def expression(pattern: str) -> str:
    """Returns a path pattern as a regular expression: `*` and `?` stay in a folder, `**` crosses folders."""
    result, at = "(?s:", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2
            if pattern[at : at + 1] == "/":
                at += 1
                result += "(?:.*/)?"
            else:
                result += ".*"
            continue
        at += 1
        if char == "*":
            result += "[^/]*"
        elif char == "?":
            result += "[^/]"
        elif char == "[" and (end := pattern.find("]", at + 1)) > 0:
            inside = pattern[at:end]
            result += f"[{'^' if inside[0] in '^!' else ''}{inside.lstrip('^!').replace(chr(92), '')}]"
            at = end + 1
        elif char == "\\" and at < len(pattern):
            result += re.escape(pattern[at])
            at += 1
        else:
            result += re.escape(char)
    return result + ")"
