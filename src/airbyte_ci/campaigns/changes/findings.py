"""The results for the parts of a Dockerfile's instructions, as values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Fate = Literal["given by the base", "done by the build", "carried over", "reported"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of an instruction (a shell command, a source of COPY, a variable) and its result.

    `note` explains it: for a reported part the required action, for others additional information, mostly empty.
    """

    line: int
    part: str
    fate: Fate
    note: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.part}{': ' if self.note else ''}{self.note}"

    def to_json(self) -> dict[str, object]:
        return {"line": self.line, "part": self.part, "fate": self.fate, "note": self.note}


def reported(findings: Iterable[Finding]) -> Iterator[str]:
    """Returns the parts that a person must review, as lines."""
    return (str(item) for item in findings if item.fate == "reported")


def notes(findings: Iterable[Finding]) -> Iterator[str]:
    """Returns the notes of the others, each once."""
    return iter(dict.fromkeys(item.note for item in findings if item.note and item.fate != "reported"))


def shorten(text: str, width: int = 80) -> str:
    """Returns the text on one line, cut if it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
