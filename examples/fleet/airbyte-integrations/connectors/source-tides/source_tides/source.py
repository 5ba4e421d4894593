"""The source: its spec, its one stream, and what a usable configuration is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from typing import ClassVar

from dateutil import parser

from source_tides.protocol import Json
from source_tides.tide import waters


class SourceTides:
    """Predicts the waters of one harbour."""

    spec: ClassVar[Json] = {
        "documentationUrl": "https://docs.airbyte.com/integrations/sources/tides",
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Tides",
            "type": "object",
            "required": ["first_high", "amplitude_m"],
            "additionalProperties": True,
            "properties": {
                "first_high": {
                    "type": "string",
                    "title": "First high water",
                    "description": "The moment of a known high water.",
                    "examples": ["2024-01-01 03:20 UTC"],
                },
                "amplitude_m": {"type": "number", "title": "Amplitude in metres", "minimum": 0},
                "mean_m": {"type": "number", "title": "Mean level in metres", "default": 0},
                "days": {"type": "integer", "title": "Days", "default": 7, "minimum": 1, "maximum": 366},
            },
        },
    }
    streams: ClassVar[list[Json]] = [
        {
            "name": "waters",
            "json_schema": {
                "type": "object",
                "properties": {
                    "at": {"type": "string", "format": "date-time"},
                    "kind": {"type": "string"},
                    "height_m": {"type": "number"},
                },
            },
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["at"],
            "source_defined_primary_key": [["at"]],
        }
    ]

    def problem(self, config: Json) -> str | None:
        """Say that the known high water is no moment, or None if it is one."""
        try:
            parser.parse(config["first_high"])
        except parser.ParserError as error:
            return f"first_high is not a moment: {error}"
        return None

    def read(self, config: Json, stream: str) -> Iterator[Json]:
        """Yield the waters of the configured days; a moment without a zone is UTC."""
        first_high = parser.parse(config["first_high"])
        if first_high.tzinfo is None:
            first_high = first_high.replace(tzinfo=timezone.utc)
        moment = first_high.astimezone(timezone.utc)
        return waters(moment, config.get("mean_m", 0.0), config["amplitude_m"], config.get("days", 7))
