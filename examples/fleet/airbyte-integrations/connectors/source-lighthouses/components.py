"""Custom classes of the manifest."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import requests
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor


@dataclass
class LitLights(RecordExtractor):
    """Extracts the lights that are lit; the service lists those that are gone, too."""

    def extract_records(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        return (light for light in response.json()["lights"] if light["is_lit"])
