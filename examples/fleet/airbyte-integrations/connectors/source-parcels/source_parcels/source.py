"""The source: is the folder there, and which streams does it hold?"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream

from source_parcels.folder import problem_of
from source_parcels.streams import Parcels, Scans


class SourceParcels(AbstractSource):
    """Reads parcels and scans from a folder."""

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, str | None]:
        """Succeed if the folder holds at least one file of the carrier."""
        problem = problem_of(Path(config["folder"]))
        return problem is None, problem

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """Return both streams."""
        path = Path(config["folder"])
        return [Parcels(path), Scans(path, config.get("start_date"))]
