"""Path patterns as Dagger and Docker know them: `*`, `?`, `[…]` within a name, `**` over any number of folders."""

import re
from collections.abc import Sequence


def matches(path: str, pattern: str) -> bool:
    """Whether a path (relative, `a/b`) is what a pattern names."""
    return re.fullmatch(_expression(pattern), path) is not None


def matches_below(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path or a folder that it is in is named by one of the patterns."""
    parts = path.split("/")
    places = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return any(matches(place, pattern) for place in places for pattern in patterns)


def _expression(pattern: str) -> str:
    found, place = "", 0
    pattern = pattern.strip("/").removeprefix("./")
    while place < len(pattern):
        rest = pattern[place:]
        if rest.startswith("**/"):
            found, place = found + "(?:.*/)?", place + 3
        elif rest.startswith("**"):
            found, place = found + ".*", place + 2
        elif rest[0] == "*":
            found, place = found + "[^/]*", place + 1
        elif rest[0] == "?":
            found, place = found + "[^/]", place + 1
        elif rest[0] == "[" and (end := rest.find("]", 2)) > 0:
            inside = rest[1:end].replace("\\", r"\\")
            inside = "^" + inside[1:] if inside.startswith(("!", "^")) else inside
            found, place = f"{found}[{inside}]", place + end + 1
        else:
            found, place = found + re.escape(rest[0]), place + 1
    return found
