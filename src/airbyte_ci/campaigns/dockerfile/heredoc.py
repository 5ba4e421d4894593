"""Here-documents of a Dockerfile (`RUN <<EOT`): where they begin and end, and their content."""

import re
from dataclasses import dataclass

from airbyte_ci.campaigns.dockerfile import words
from airbyte_ci.campaigns.dockerfile.words import Misread

# BuildKit's rule: a separate word, with or without a file descriptor before it.
_WORD = re.compile(r"\d*<<(?P<dash>-?)(?P<name>[^<]+)")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: its end word, whether variables stay and leading tabs are dropped, and its lines."""

    name: str
    is_literal: bool
    is_indented: bool
    text: str = ""

    def ends(self, line: str) -> bool:
        """Returns whether the line ends it."""
        return (line.lstrip("\t") if self.is_indented else line) == self.name


def begun(line: str) -> list[Heredoc]:
    """Returns the here-documents that a line announces, in order; their lines follow it."""
    return [found for word in words.split(line) if (found := _announced(word))]


def read(value: str) -> tuple[str, tuple[Heredoc, ...]]:
    """Returns the first line of an instruction, and its here-documents with their lines."""
    head, *rest = value.split("\n")
    lines = iter(rest)
    documents = []
    for document in begun(head):
        body: list[str] = []
        for line in lines:
            if document.ends(line):
                break
            body.append(f"{line.lstrip(chr(9)) if document.is_indented else line}\n")
        documents.append(Heredoc(document.name, document.is_literal, document.is_indented, "".join(body)))
    return head, tuple(documents)


def without(head: str) -> str:
    """Returns the line without the words that announce here-documents."""
    return " ".join(word for word in words.split(head) if not _announced(word))


def _announced(word: str) -> Heredoc | None:
    found = _WORD.fullmatch(word)
    if not found:
        return None
    try:
        name = words.expand(found["name"].replace("$", "\\$"), {}).text
    except Misread:
        return None
    return Heredoc(name, name != found["name"], bool(found["dash"])) if name and not re.search(r"\s", name) else None
