"""The README as the package index shows it: links to files of the repository are absolute (hatchling's metadata hook)."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(\]\(|(?:src|srcset)=\")(?!https?:|#|mailto:)([^)\"\s]+)")


class PackageReadme(MetadataHookInterface):
    """Sets `readme` from README.md."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": make_absolute(text, metadata["urls"]["Source"])}


def make_absolute(text: str, source: str) -> str:
    """Returns the text with links to the repository's pages, and images as raw files."""

    def replace(match: re.Match[str]) -> str:
        kind = "raw" if match[2].endswith((".svg", ".png")) else "blob"
        return f"{match[1]}{source}/{kind}/main/{match[2]}"

    return _LINK.sub(replace, text)
