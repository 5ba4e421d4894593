"""Quotes, escapes and variables in a Dockerfile's words, by the rules of BuildKit (its packages `shell` and `parser`).

https://docs.docker.com/reference/dockerfile/#environment-replacement
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SPECIAL = "@*#?-$!0"


class Misread(ValueError):
    """The text is not valid in a Dockerfile: `docker build` refuses it too."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its variables replaced: those that it `used`, and those `unset` without a value and a default."""

    text: str
    used: frozenset[str] = frozenset()
    unset: frozenset[str] = frozenset()


def expand(text: str, known: Mapping[str, str], escape: str = "\\") -> Expanded:
    """Returns the text without quotes and escapes, with variables replaced by `known`. Raises Misread."""
    reader = _Reader(text=text, known=known, escape=escape)
    result = reader.read_until("")
    return Expanded(result, frozenset(reader.used), frozenset(reader.unset))


def split(text: str, escape: str = "\\") -> list[str]:
    """Returns the text's words with quotes and escapes: blanks inside quotes do not separate."""
    words: list[str] = []
    word, quote, at, is_word = "", "", 0, False
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char.isspace():
            words += [word] if is_word else []
            word, is_word = "", False
            continue
        if char == escape and quote != "'":
            if at == len(text):
                break  # an escape at the end is dropped
            word, is_word, at = word + char + text[at], True, at + 1
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        word, is_word = word + char, True
    return [*words, word] if is_word else words


def pairs(text: str, escape: str = "\\") -> list[tuple[str, str]]:
    """Returns the names and values of ENV or LABEL, `A=1 B=2` or `A 1`, with quotes and variables. Raises Misread."""
    words = split(text, escape)
    if not words:
        raise Misread("it names nothing")
    if "=" not in words[0]:
        name, *rest = text.split(None, 1)
        if not rest:
            raise Misread(f"{name} has no value")
        return [(name, rest[0])]
    for word in words:
        if "=" not in word:
            raise Misread(f"{word} has no value")
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


@dataclass(slots=True, kw_only=True)
class _Reader:
    text: str
    known: Mapping[str, str]
    escape: str
    at: int = 0
    used: set[str] = field(default_factory=set)
    unset: set[str] = field(default_factory=set)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        char = self.peek()
        self.at += 1
        return char

    def read_until(self, stop: str, *, keep_escapes: bool = False) -> str:
        """Reads up to and including the character `stop`, or to the end if it is empty."""
        parts: list[str] = []
        while char := self.peek():
            if char == stop:
                self.at += 1
                return "".join(parts)
            if char == "'":
                parts.append(self.single_quoted())
            elif char == '"':
                parts.append(self.double_quoted(keep_escapes=keep_escapes))
            elif char == "$":
                parts.append(self.variable())
            else:
                self.at += 1
                if char == self.escape:
                    parts += [char] if keep_escapes else []
                    char = self.next()
                parts.append(char)
        if stop:
            raise Misread(f"{stop} is missing")
        return "".join(parts)

    def single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Misread("a single quote is not closed")
        found = self.text[self.at + 1 : end]
        self.at = end + 1
        return found

    def double_quoted(self, *, keep_escapes: bool) -> str:
        parts: list[str] = []
        self.at += 1
        while char := self.peek():
            if char == '"':
                self.at += 1
                return "".join(parts)
            if char == "$":
                parts.append(self.variable())
                continue
            self.at += 1
            if char == self.escape:
                parts += [char] if keep_escapes else []
                if not self.peek():
                    break
                if self.peek() in ('"', "$", self.escape):
                    char = self.next()
            parts.append(char)
        raise Misread("a double quote is not closed")

    def variable(self) -> str:
        self.at += 1
        if self.peek() != "{":
            name = self.name()
            return self.value(name) if name else "$"
        self.at += 1
        if not self.peek() or self.peek() in "{}:":
            raise Misread("${ names no variable")
        name = self.name()
        return self.modified(name)

    def modified(self, name: str) -> str:
        operator = self.next()
        if operator == "}":
            return self.value(name)
        if operator == "/":
            return self.replaced(name)
        counts_empty = operator == ":"
        if counts_empty:
            operator = self.next()
        if not operator or operator not in "-+?#%" or (counts_empty and operator in "#%"):
            raise Misread(f"${{{name}{operator} is not a form of a variable")
        word = self.read_until("}", keep_escapes=operator in "#%")
        value = self.known.get(name)
        is_set = value is not None and not (counts_empty and not value)
        match operator:
            case "-":
                return value or "" if is_set else word
            case "+":
                return word if is_set else ""
            case "?":
                if not is_set:
                    raise Misread(f"{name} must have a value: {word}")
                return value or ""
        return _trimmed(value or "", word, operator)

    def replaced(self, name: str) -> str:
        replaces_all = self.peek() == "/"
        self.at += replaces_all
        pattern = _pattern(self.read_until("/", keep_escapes=True), is_greedy=True)
        replacement = self.read_until("}", keep_escapes=True)
        return re.sub(pattern, lambda _: replacement, self.known.get(name, ""), count=0 if replaces_all else 1)

    def value(self, name: str) -> str:
        if name not in self.known:
            self.unset.add(name)
        return self.known.get(name, "")

    def name(self) -> str:
        start, first = self.at, self.peek()
        if first.isdigit():
            while self.peek().isdigit():
                self.at += 1
        elif first and first in _SPECIAL:
            self.at += 1
        else:
            while (char := self.peek()) and (char.isalnum() or char == "_"):
                self.at += 1
        self.used.add(self.text[start : self.at])
        return self.text[start : self.at]


def _trimmed(value: str, word: str, operator: str) -> str:
    """Handles `${V#word}` and `${V%word}`; doubled, removes the longest match."""
    is_greedy = word.startswith(operator)
    pattern = word[1:] if is_greedy else word
    if operator == "#":
        found = re.match(_pattern(pattern, is_greedy=is_greedy), value)
        return value[found.end() :] if found else value
    for start in range(len(value) + 1) if is_greedy else range(len(value), -1, -1):
        if re.fullmatch(_pattern(pattern, is_greedy=True), value[start:]):
            return value[:start]
    return value


def _pattern(text: str, *, is_greedy: bool) -> str:
    """Returns a shell pattern as a regular expression; only `*`, `?` and escapes are special."""
    result, at = "(?s:", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            result += ".*" if is_greedy else ".*?"
        elif char == "?":
            result += "."
        elif char == "\\":
            escaped = text[at : at + 1]
            if not escaped or escaped not in "}/*?\\":
                raise Misread(f"\\{escaped} is not an escape of a pattern")
            result += re.escape(escaped)
            at += 1
        else:
            result += re.escape(char)
    return result + ")"
