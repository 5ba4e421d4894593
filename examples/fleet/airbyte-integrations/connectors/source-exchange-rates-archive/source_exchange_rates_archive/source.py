"""The source: its spec, its one stream, and whether the archive can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from source_exchange_rates_archive import archive
from source_exchange_rates_archive.protocol import Json


class SourceExchangeRatesArchive:
    """Reads rates; the cursor is the date."""

    spec: ClassVar[Json] = {
        "documentationUrl": "https://docs.airbyte.com/integrations/sources/exchange-rates-archive",
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Exchange Rates Archive",
            "type": "object",
            "required": ["location"],
            "additionalProperties": True,
            "properties": {
                "location": {
                    "type": "string",
                    "title": "Location",
                    "description": "The archive's folder, or its address on a web server.",
                    "examples": ["/data", "https://rates.acme.example/archive"],
                },
                "base_currency": {
                    "type": "string",
                    "title": "Base currency",
                    "description": "Read only the rates of this currency.",
                    "pattern": "^[A-Z]{3}$",
                },
            },
        },
    }
    streams: ClassVar[list[Json]] = [
        {
            "name": "rates",
            "json_schema": {
                "type": "object",
                "properties": {
                    "date": {"type": "string", "format": "date"},
                    "base": {"type": "string"},
                    "quote": {"type": "string"},
                    "rate": {"type": "number"},
                },
            },
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["date"],
            "source_defined_primary_key": [["date"], ["base"], ["quote"]],
        }
    ]

    def problem(self, config: Json) -> str | None:
        """Say why the archive's index cannot be read, or None if it can be read."""
        try:
            archive.text_of(config["location"], archive.INDEX)
        except OSError as error:
            return f"The archive at {config['location']} cannot be read: {error}"
        return None

    def read(self, config: Json, stream: str) -> Iterator[Json]:
        """Yield every rate."""
        return archive.rates(config["location"], config.get("base_currency"))
