"""Here-documents of a Dockerfile (`RUN <<EOT`): where they begin and end, and what is in them."""

import re
from dataclasses import dataclass

# `<<<` is a here-string, and another thing.
_START = re.compile(r"(?<!<)<<(?P<dash>-?)(?P<quote>[\"']?)(?P<name>[A-Za-z_]\w*)(?P=quote)")


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
    return [Heredoc(found["name"], bool(found["quote"]), bool(found["dash"])) for found in _START.finditer(line)]


def read(value: str) -> tuple[str, tuple[Heredoc, ...]]:
    """The first line of an instruction and its here-documents, with their lines as they are meant."""
    head, *lines = value.split("\n")
    documents = []
    for document in begun(head):
        body: list[str] = []
        while lines and not document.ends(line := lines.pop(0)):
            body.append(f"{line.lstrip(chr(9)) if document.is_indented else line}\n")
        documents.append(Heredoc(document.name, document.is_literal, document.is_indented, "".join(body)))
    return head, tuple(documents)


def without(head: str) -> str:
    """The line without the words that announce here-documents."""
    return " ".join(_START.sub(" ", head).split())
