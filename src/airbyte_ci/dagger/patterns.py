"""Path patterns as in Dagger and Docker: `*`, `?`, `[…]` within a name, `**` over any number of folders.

Patterns come from hooks and paths from layers, so no combination may take long. A pattern with few stars becomes a
regular expression. One with more is simulated character by character, with all possible states at once as bits of a
number.
"""

import functools
import re
from collections.abc import Callable, Sequence

# A regular expression's time grows with the path's length to the power of its stars.
_FEW = 2
_STARS = {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*"}


def matches(path: str, pattern: str) -> bool:
    """Whether the pattern matches a path (relative, `a/b`)."""
    return _compiled(pattern)(path)


def matches_below(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns matches the path or one of its parent folders."""
    parts = path.split("/")
    places = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return any(matches(place, pattern) for place in places for pattern in patterns)


@functools.lru_cache(1024)
def _compiled(pattern: str) -> Callable[[str], bool]:
    tokens = _tokens(pattern)
    if sum(token in _STARS for token in tokens) > _FEW:
        return _Automaton(tokens).accepts
    try:
        compiled = re.compile("".join(_STARS.get(token, token) for token in tokens), re.DOTALL)
    except re.error:  # [z-a]
        return lambda _: False
    return lambda path: compiled.fullmatch(path) is not None


def _tokens(pattern: str) -> list[str]:
    """Splits a pattern into its stars and a regular expression for each other character."""
    found: list[str] = []
    place = 0
    pattern = pattern.strip("/").removeprefix("./")
    while place < len(pattern):
        rest = pattern[place : place + 3]
        if star := next((star for star in _STARS if rest.startswith(star)), ""):
            if not (found and found[-1] == star):  # Consecutive stars equal one star.
                found.append(star)
            place += len(star)
        elif rest[0] == "?":
            found.append("[^/]")
            place += 1
        elif rest[0] == "[" and (end := pattern.find("]", place + 2)) > 0:
            inside = pattern[place + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            found.append(f"[{'^' + inside[1:] if inside.startswith(('!', '^')) else inside}]")
            place = end + 1
        else:
            found.append(re.escape(rest[0]))
            place += 1
    return found


class _Automaton:
    """All states at once: a bit is set if the tokens before it can match the characters read so far."""

    def __init__(self, tokens: list[str]) -> None:
        self._skips: list[tuple[int, int]] = []
        self._stays = {"**/": 0, "**": 0, "*": 0}
        self._steps: list[tuple[re.Pattern[str], int]] = []
        self._moves: dict[str, int] = {}
        state = 0
        for token in tokens:
            if token == "**/":
                # Either nothing, or any text and a slash: one state before it, one within it.
                self._skips += [(state, 1), (state, 2)]
                state += 1
                self._stays[token] |= 1 << state
                self._steps.append((_character("/"), 1 << state))
            elif token in _STARS:
                self._skips.append((state, 1))
                self._stays[token] |= 1 << state
            else:
                self._steps.append((_character(token), 1 << state))
            state += 1
        self._last = 1 << state

    def accepts(self, path: str) -> bool:
        """Whether the pattern matches the whole path."""
        states = self._closed(1)
        within_names = self._stays["*"]
        anywhere = self._stays["**"] | self._stays["**/"]
        for character in path:
            stays = anywhere if character == "/" else anywhere | within_names
            states = self._closed((states & stays) | ((states & self._leaving(character)) << 1))
            if not states:
                return False
        return bool(states & self._last)

    def _leaving(self, character: str) -> int:
        """Returns the states after this character."""
        if character not in self._moves:
            self._moves[character] = sum(bit for compiled, bit in self._steps if compiled.fullmatch(character))
        return self._moves[character]

    def _closed(self, states: int) -> int:
        """Returns the states, plus those that a star reaches without a character."""
        for state, by in self._skips:
            states |= (states >> state & 1) << (state + by)
        return states


def _character(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:  # [z-a]
        return re.compile(r"(?!)")
