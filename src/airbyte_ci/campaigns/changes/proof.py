"""The proof of a change: the comparison of the connector's image before and after it, as text. Data only."""

from dataclasses import dataclass
from typing import Any

# The value of --prove without an image: see `previous_image.find_previous`.
AUTOMATIC = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The result of a comparison. `summary` is one line, `text` is for a terminal, `markdown` for a pull request."""

    is_proven: bool
    summary: str
    text: str
    markdown: str

    def to_json(self) -> dict[str, Any]:
        return {
            "isProven": self.is_proven,
            "summary": self.summary,
            "text": self.text,
            "markdown": self.markdown,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Proof":
        return cls(
            is_proven=bool(document["isProven"]),
            summary=document["summary"],
            text=document["text"],
            markdown=document["markdown"],
        )
