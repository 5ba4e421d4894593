"""The source: its spec, its one stream, and the lights of a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from source_lighthouse.protocol import Json


class SourceLighthouse:
    """Reads lights, all of them at every sync."""

    spec: ClassVar[Json] = {
        "documentationUrl": "https://docs.airbyte.com/integrations/sources/lighthouse",
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Lighthouse",
            "type": "object",
            "required": ["list"],
            "additionalProperties": True,
            "properties": {
                "list": {
                    "type": "string",
                    "title": "List of lights",
                    "description": "The YAML file that lists the lights.",
                    "examples": ["/data/lights.yaml"],
                }
            },
        },
    }
    streams: ClassVar[list[Json]] = [
        {
            "name": "lights",
            "json_schema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "character": {"type": "string"},
                    "range_nm": {"type": "number"},
                },
            },
            "supported_sync_modes": ["full_refresh"],
            "source_defined_primary_key": [["name"]],
        }
    ]

    def problem(self, config: Json) -> str | None:
        """Say why the list cannot be read, or None if it can be read."""
        try:
            lights = _lights_of(config)
        except (OSError, yaml.YAMLError) as error:
            return f"The list {config['list']} cannot be read: {error}"
        return None if isinstance(lights, list) else f"{config['list']} holds no list of lights."

    def read(self, config: Json, stream: str) -> Iterator[Json]:
        """Yield every light."""
        yield from _lights_of(config)


def _lights_of(config: Json) -> Any:
    document = yaml.safe_load(Path(config["list"]).read_text(encoding="utf-8"))
    return document.get("lights") if isinstance(document, dict) else document
