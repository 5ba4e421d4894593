"""Reads a connector's metadata.yaml; errors name the file and the line."""

from pathlib import Path
from typing import Any

from airbyte_ci.documents import DocumentError, load_yaml, read_file
from airbyte_ci.errors import MetadataError


def load(path: Path, shown: str) -> dict[str, Any]:
    """Returns the `data` mapping; raises MetadataError. `shown` is the path for people."""
    try:
        document = load_yaml(read_file(path))
    except DocumentError as error:
        place = f"{shown}:{error.line}:{error.column}" if error.line is not None else shown
        raise MetadataError(f"{place}: not valid YAML: {error.reason}") from error
    except OSError as error:
        raise MetadataError(f"cannot read {shown}: {error.strerror}") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise MetadataError(f"{shown}: it has no `data` mapping, so it is not connector metadata")
    return data
