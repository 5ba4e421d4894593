"""Reads untrusted YAML, JSON and TOML in bounded time and memory.

YAML aliases can expand 500 bytes to gigabytes, and a deep document exhausts the stack of recursive parsers; libyaml
crashes the process. Every reader here returns a value or raises DocumentError.
"""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The maximum nesting: real metadata has about 10 levels, specifications of connectors about 30.
DEPTH_LIMIT = 100
# The maximum number of values with all aliases expanded: the largest metadata of 600 connectors has 1,500.
_EXPANDED_LIMIT = 100_000
_YAML_SIZE = 1 << 20
_JSON_SIZE = 64 << 20
_TOML_SIZE = 32 << 20
# Longer numbers and dates are not realistic, and take quadratic time to parse or print.
_NUMBER_LIMIT = 400

# libyaml builds nodes by recursion in C and crashes the process at about 10,000 levels. Brackets and indicators nest on
# one line; every other level needs a line with more indentation, so the size limit bounds the depth.
_BRACKET_LIMIT = 2_000
_COMPACT = rb"(?:[-?:][ \t]++){100}+"
_INDENTED = b" " * (DEPTH_LIMIT // 2)
# tomllib's time grows with the square of a key's parts.
_LONG_KEY = r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){64}+"

_TEXT, _LIST, _MAPPING = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


class DocumentError(ValueError):
    """The text is not a valid document, or exceeds a limit of size or depth; `line` and `column` start at 1."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(f"line {line}, column {column}: {reason}" if line is not None else reason)
        self.reason = reason
        self.line = line
        self.column = column


def read_file(path: Path, size_limit: int = _YAML_SIZE) -> bytes:
    """Returns the bytes of a regular file; raises OSError, and DocumentError for a device, a pipe or a large file.

    Follows links; callers that must not follow them check that themselves.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DocumentError("it is not a regular file")
        content = file.read(size_limit + 1)
    if len(content) > size_limit:
        raise DocumentError(f"it is larger than {size_limit >> 10:,} KiB")
    return content


# --- YAML ----------------------------------------------------------------------------------------


def load_yaml(raw: bytes | str, size_limit: int = _YAML_SIZE, bracket_limit: int = _BRACKET_LIMIT) -> Any:
    """Returns the same value as `yaml.safe_load`."""
    return _with_root(
        raw, size_limit, lambda loader, root: None if root is None else _value(loader, root), bracket_limit
    )


def compose_yaml(raw: bytes | str, use: Callable[[Any], Any], size_limit: int = _YAML_SIZE) -> Any:
    """Returns the result of `use` for the root node (None for an empty text); nodes have line numbers."""
    return _with_root(raw, size_limit, lambda _, root: use(root))


def construct_yaml(node: object) -> Any:
    """Returns the value of a node."""
    loader = _loader_class()(b"")
    try:
        return _value(loader, node)
    finally:
        loader.dispose()


def _with_root(
    raw: bytes | str, size_limit: int, use: Callable[[Any, Any], Any], bracket_limit: int = _BRACKET_LIMIT
) -> Any:
    import yaml

    raw = _as_utf8(raw)
    if len(raw) > size_limit or raw.count(b"[") + raw.count(b"{") > bracket_limit or re.search(_COMPACT, raw):
        raise _too_large()
    try:
        loader = _loader_class()(raw)
        try:
            root = loader.get_single_node()
            if root is not None and (b"*" in raw or raw.count(b"[") + raw.count(b"{") > 90 or _INDENTED in raw):
                _measure(root)
            return use(loader, root)
        finally:
            loader.dispose()
    except DocumentError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise DocumentError(" ".join(str(error.problem or error).split()), *place) from error
    except RecursionError as error:
        raise _too_large() from error
    # A tag that does not fit its value, such as `!!timestamp x`, raises various exceptions in PyYAML's constructors.
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise DocumentError(str(error).partition("\n")[0] or type(error).__name__) from error


def _as_utf8(raw: bytes | str) -> bytes:
    if isinstance(raw, str):
        return raw.encode("utf-8", "surrogatepass")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16").encode()
        except UnicodeError as error:
            raise DocumentError(str(error)) from error
    return raw


def _too_large() -> DocumentError:
    return DocumentError("it is too large or too deeply nested")


_loaders: list[Any] = []


def _loader_class() -> Any:
    """Returns libyaml's loader, ten times as fast, or PyYAML's own, with the same answers."""
    if not _loaders:
        import yaml  # not before something is read

        _loaders.append(getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return _loaders[0]


def _value(loader: Any, node: Any) -> Any:
    # PyYAML's general constructors took most of the time of reading a fleet (profile, 373 files: 75 of 120 ms), and
    # metadata is nearly only texts, mappings and lists. Everything else takes the general way.
    if node.tag == _TEXT:
        return node.value
    if node.tag == _LIST:
        return [_value(loader, item) for item in node.value]
    if node.tag == _MAPPING and all(key.tag == _TEXT for key, _ in node.value):
        return {key.value: _value(loader, item) for key, item in node.value}
    _refuse_long_numbers(node)
    return loader.construct_object(node, deep=True)


def _refuse_long_numbers(node: Any) -> None:
    waiting, seen = [node], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item.value, str):
            if item.tag != _TEXT and len(item.value) > _NUMBER_LIMIT and not item.tag.endswith(":binary"):
                kind = item.tag.rpartition(":")[2]
                raise DocumentError(f"its {kind} is {len(item.value):,} characters long", item.start_mark.line + 1, 1)
        elif id(item) not in seen:
            seen.add(id(item))
            waiting += _children(item)


def _measure(root: Any) -> None:
    """Raises DocumentError for a document that is too deep or, with its aliases written out, too large."""
    sizes: dict[int, tuple[int, int]] = {}
    opened: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        key = id(node)
        if is_done:
            inner = [sizes[id(child)] for child in _children(node)]
            size = 1 + sum(size for size, _ in inner)
            depth = 1 + max((depth for _, depth in inner), default=0)
            if size > _EXPANDED_LIMIT or depth > DEPTH_LIMIT:
                raise _too_large()
            sizes[key] = size, depth
            opened.discard(key)
        elif key in opened:
            raise DocumentError("an alias contains itself", node.start_mark.line + 1, 1)
        elif isinstance(node.value, str):
            sizes[key] = 1, 0
        elif key not in sizes:
            opened.add(key)
            waiting.append((node, True))
            waiting += [(child, False) for child in _children(node)]


def _children(node: Any) -> list[Any]:
    if node.value and isinstance(node.value[0], tuple):
        return [part for pair in node.value for part in pair]
    return list(node.value)


# --- JSON ----------------------------------------------------------------------------------------


def load_json(raw: bytes | str, parse_float: Callable[[str], Any] | None = None, size_limit: int = _JSON_SIZE) -> Any:
    """Returns the value of a JSON text."""
    if len(raw) > size_limit:
        raise _too_large()
    try:
        value = json.loads(raw, parse_float=parse_float)
    except RecursionError as error:
        raise _too_large() from error
    except ValueError as error:
        raise DocumentError(str(error)) from error
    brackets = raw.count(b"[") + raw.count(b"{") if isinstance(raw, bytes) else raw.count("[") + raw.count("{")
    if brackets > DEPTH_LIMIT:
        _refuse_deep(value)
    return value


def _refuse_deep(value: Any) -> None:
    layer = [value]
    for _ in range(DEPTH_LIMIT):
        inner = (item for outer in layer for item in (outer.values() if isinstance(outer, dict) else outer))
        layer = [item for item in inner if isinstance(item, (dict, list))]
        if not layer:
            return
    raise _too_large()


# --- TOML ----------------------------------------------------------------------------------------


def load_toml(text: str, parse_float: Callable[[str], Any] = float, size_limit: int = _TOML_SIZE) -> dict[str, Any]:
    """Returns the tables of a TOML text."""
    import tomllib  # most runs read no TOML, and the import is slow

    if len(text) > size_limit:
        raise _too_large()
    if re.search(_LONG_KEY, text):
        raise DocumentError("it is nested too deeply")
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error
    except ValueError as error:
        raise DocumentError(str(error)) from error
