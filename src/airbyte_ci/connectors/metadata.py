"""metadata.yaml of a connector: read quickly, with errors that name the file and the line."""

import re
from pathlib import Path
from typing import Any

import yaml

from airbyte_ci.errors import MetadataError

# libyaml parses a fleet ten times faster; without it the answers are the same.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT, _LIST, _MAPPING = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))
# libyaml's nodes are built by recursion in C, which ends the whole process when it is some 10 000 levels deep.
_SIZE_LIMIT = 1 << 20
_BRACKET_LIMIT = 2_000
_DEEP_LINE = re.compile(rb"(?:[-?:][ \t]+){200}")


def load(path: Path, shown: str) -> dict[str, Any]:
    """The `data` mapping; raises MetadataError. `shown` is the path for people."""
    try:
        raw = path.read_bytes()
        _refuse_bottomless(raw, shown)
        document = _document(raw)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{shown}:{mark.line + 1}:{mark.column + 1}" if mark else shown
        raise MetadataError(f"{place}: not valid YAML: {error.problem or error}") from error
    except RecursionError as error:
        raise _bottomless(shown) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise MetadataError(f"{shown}: not valid YAML: {error}".splitlines()[0]) from error
    except OSError as error:
        raise MetadataError(f"reading {shown}: {error.strerror}") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise MetadataError(f"{shown}: it has no `data` mapping, so it is not connector metadata")
    return data


class _FleetLoader(_Loader):  # type: ignore[misc]  # the loader is chosen above
    """The same values as `yaml.safe_load`, from libyaml's nodes by a shorter way.

    Most of the time of reading a fleet went into PyYAML's general constructors (profile, 373 files: 75 of 120 ms), and
    metadata is nearly only texts, mappings and lists. Everything else takes the general way.
    """

    def value(self) -> Any:
        node = self.get_single_node()
        return None if node is None else self._value(node)

    def _value(self, node: Any) -> Any:
        if node.tag == _TEXT:
            return node.value
        if node.tag == _LIST:
            return [self._value(item) for item in node.value]
        if node.tag == _MAPPING and all(key.tag == _TEXT for key, _ in node.value):
            return {key.value: self._value(item) for key, item in node.value}
        return self.construct_object(node, deep=True)


def _document(raw: bytes) -> Any:
    loader = _FleetLoader(raw)
    try:
        return loader.value()
    finally:
        loader.dispose()


def _refuse_bottomless(raw: bytes, shown: str) -> None:
    if len(raw) > _SIZE_LIMIT or raw.count(b"[") + raw.count(b"{") > _BRACKET_LIMIT or _DEEP_LINE.search(raw):
        raise _bottomless(shown)


def _bottomless(shown: str) -> MetadataError:
    return MetadataError(f"{shown}: it is too large or too deeply nested for connector metadata")
