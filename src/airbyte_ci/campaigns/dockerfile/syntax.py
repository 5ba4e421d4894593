"""Parses a Dockerfile's text into instructions: lines, comments, here-documents and flags, like BuildKit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_ci.campaigns.dockerfile import heredoc, words
from airbyte_ci.documents import DocumentError, load_json

_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*")
_COMMENT = re.compile(r"\s*#")
_LIST = re.compile(r'\s*+\[(?:\s*+"(?:[^"\\]|\\.)*+"\s*+(?:,(?!\s*+\])|(?=\])))*+\s*+\]', re.DOTALL)
_FLAG = re.compile(r"--([a-zA-Z][\w-]*)(?:=(.*))?", re.DOTALL)
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")
_BACKSLASH = "\\"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its name in capitals. `value` is one line, followed by those of here-documents; `line` starts at
    1, and `escape` is the file's escape character.
    """

    name: str
    value: str
    line: int
    escape: str = _BACKSLASH

    def __str__(self) -> str:
        return f"{self.name} {self.value}".partition("\n")[0]

    def flags(self) -> tuple[dict[str, str], str]:
        """Splits `--from=builder a b` into flags and the rest."""
        flags, rest = {}, self.value.strip()
        while found := re.match(r"(--\S*)(?:\s+|$)", rest):
            flag = _FLAG.fullmatch(found[1])
            rest = rest[found.end() :]
            if not flag:
                break
            flags[flag[1]] = flag[2] or ""
        return flags, rest

    def listed(self) -> list[str] | None:
        """Returns the words of the exec form `["a", "b"]`; None for the shell form."""
        # Text after the list is ignored (mostly a comment).
        found = _LIST.match(self.value)
        try:
            return [str(word) for word in load_json(found[0])] if found else None
        except DocumentError:
            return None

    def pairs(self) -> list[tuple[str, str | None]]:
        """Returns the names and values of ENV, LABEL or ARG as written; an ARG may have no value. Raises Misread."""
        if self.name != "ARG":
            return [*words.pairs(self.value, self.escape)]
        found = (word.partition("=") for word in words.split(self.value, self.escape))
        return [(name, value if is_set else None) for name, is_set, value in found]


def instructions(text: str) -> Iterator[Instruction]:
    """Returns all instructions in order; for a text that `docker build` would refuse, the readable ones."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(lines)
    goes_on = re.compile(rf"(?:(?<=[^{re.escape(escape)}])|^){re.escape(escape)}[ \t]*$")
    at = 0
    while at < len(lines):
        joined, start, is_open = "", at + 1, True
        while is_open and at < len(lines):
            line, is_first = lines[at], at + 1 == start
            at += 1
            if _COMMENT.match(line) or not line.strip():
                is_open = not is_first
                continue
            ended = goes_on.sub("", line)
            is_open = ended != line
            joined += ended
        name, *rest = joined.split(None, 1) or [""]
        if not name:
            continue
        value, below = (rest[0].rstrip() if rest else ""), []
        for document in heredoc.begun(value) if name.upper() in _WITH_HEREDOCS and "<<" in value else ():
            while at < len(lines):
                below.append(lines[at])
                at += 1
                if document.ends(below[-1]):
                    break
        yield Instruction(name.upper(), "\n".join((value, *below)), start, escape)


def _escape(lines: list[str]) -> str:
    """Returns the character of `# escape=`, which is valid only in the first lines."""
    for line in lines:
        found = _DIRECTIVE.fullmatch(line.strip())
        if not found or found[1].lower() not in ("syntax", "escape", "check"):
            break
        if found[1].lower() == "escape" and found[2] in (_BACKSLASH, "`"):
            return found[2]
    return _BACKSLASH
