"""Here-documents of a Dockerfile (`RUN <<EOT`): where they begin and end, and what is in them."""

import re
from dataclasses import dataclass

from airbyte_ci.campaigns.dockerfile import words
from airbyte_ci.campaigns.dockerfile.words import Misread

# As BuildKit has it: a word of its own, with a file descriptor before it or none.
_WORD = re.compile(r"\d*<<(?P<dash>-?)(?P<name>[^<]+)")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """One: the word that ends it, whether variables in it are left alone and leading tabs dropped, and its lines."""

    name: str
    is_literal: bool
    is_indented: bool
    text: str = ""

    def ends(self, line: str) -> bool:
        """Whether the line is its end."""
        return (line.lstrip("\t") if self.is_indented else line) == self.name


def begun(line: str) -> list[Heredoc]:
    """Those that a line announces, in order; their lines follow it."""
    return [found for word in words.split(line) if (found := _announced(word))]


def read(value: str) -> tuple[str, tuple[Heredoc, ...]]:
    """The first line of an instruction and its here-documents, with their lines as they are meant."""
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
    """The line without the words that announce here-documents."""
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
