"""The source: its spec, its one stream, and the books of a catalogue file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import ParseError

from defusedxml import ElementTree

from source_library_catalogue.protocol import Json


class SourceLibraryCatalogue:
    """Reads books, all of them at every sync."""

    spec: ClassVar[Json] = {
        "documentationUrl": "https://docs.airbyte.com/integrations/sources/library-catalogue",
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Library Catalogue",
            "type": "object",
            "required": ["catalogue"],
            "additionalProperties": True,
            "properties": {
                "catalogue": {
                    "type": "string",
                    "title": "Catalogue",
                    "description": "The catalogue's XML file.",
                    "examples": ["/data/catalogue.xml"],
                }
            },
        },
    }
    streams: ClassVar[list[Json]] = [
        {
            "name": "books",
            "json_schema": {
                "type": "object",
                "properties": {
                    "isbn": {"type": "string"},
                    "title": {"type": ["null", "string"]},
                    "author": {"type": ["null", "string"]},
                    "shelf": {"type": ["null", "string"]},
                },
            },
            "supported_sync_modes": ["full_refresh"],
            "source_defined_primary_key": [["isbn"]],
        }
    ]

    def problem(self, config: Json) -> str | None:
        """Say why the catalogue cannot be read, or None if it can be read."""
        try:
            ElementTree.parse(config["catalogue"])
        except (OSError, ParseError) as error:
            return f"The catalogue {config['catalogue']} cannot be read: {error}"
        return None

    def read(self, config: Json, stream: str) -> Iterator[Json]:
        """Yield every book."""
        with Path(config["catalogue"]).open("rb") as file:
            for book in ElementTree.parse(file).iter("book"):
                fields = {name: book.findtext(name) for name in ("title", "author", "shelf")}
                yield {"isbn": book.get("isbn"), **fields}
