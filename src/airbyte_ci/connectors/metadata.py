"""metadata.yaml of a connector: read quickly, with errors that name the file and the line."""

import re
from pathlib import Path
from typing import Any

import yaml

from airbyte_ci.errors import MetadataError

FILE = "metadata.yaml"
# libyaml parses a fleet ten times faster; without it the answers are the same.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# libyaml's nodes are built by recursion in C, which ends the whole process when it is some 10 000 levels deep.
_SIZE_LIMIT = 1 << 20
_BRACKET_LIMIT = 2_000
_DEEP_LINE = re.compile(rb"(?:[-?:][ \t]+){200}")


def load(path: Path, shown: str) -> dict[str, Any]:
    """The `data` mapping; raises MetadataError. `shown` is the path for people."""
    try:
        raw = path.read_bytes()
        _refuse_bottomless(raw, shown)
        document = yaml.load(raw, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{shown}:{mark.line + 1}:{mark.column + 1}" if mark else shown
        raise MetadataError(f"{place}: not valid YAML: {error.problem or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MetadataError(f"{shown}: not valid YAML: {error}".splitlines()[0]) from error
    except OSError as error:
        raise MetadataError(f"reading {shown}: {error.strerror}") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise MetadataError(f"{shown}: it has no `data` mapping, so it is not connector metadata")
    return data


def _refuse_bottomless(raw: bytes, shown: str) -> None:
    if len(raw) > _SIZE_LIMIT or raw.count(b"[") + raw.count(b"{") > _BRACKET_LIMIT or _DEEP_LINE.search(raw):
        raise MetadataError(f"{shown}: it is too large or too deeply nested for connector metadata")
