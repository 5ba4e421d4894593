"""The source: its spec, its one stream, and the entries of a feed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

import feedparser

from source_newsfeed.protocol import Json


class SourceNewsfeed:
    """Reads entries; the cursor is the moment of publication."""

    spec: ClassVar[Json] = {
        "documentationUrl": "https://docs.airbyte.com/integrations/sources/newsfeed",
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Newsfeed",
            "type": "object",
            "required": ["feed"],
            "additionalProperties": True,
            "properties": {
                "feed": {
                    "type": "string",
                    "title": "Feed",
                    "description": "The feed's address, or a file.",
                    "examples": ["/data/feed.xml"],
                }
            },
        },
    }
    streams: ClassVar[list[Json]] = [
        {
            "name": "entries",
            "json_schema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "title": {"type": "string"},
                    "published_at": {"type": "string", "format": "date-time"},
                },
            },
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["published_at"],
            "source_defined_primary_key": [["id"]],
        }
    ]

    def problem(self, config: Json) -> str | None:
        """Say that there is no feed, or None if there is one."""
        if not feedparser.parse(config["feed"]).version:
            return f"There is no RSS or Atom feed at {config['feed']}."
        return None

    def read(self, config: Json, stream: str) -> Iterator[Json]:
        """Yield every entry of the feed."""
        for entry in feedparser.parse(config["feed"]).entries:
            published_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", entry.published_parsed)
            yield {"id": entry.id, "title": entry.title, "published_at": published_at}
