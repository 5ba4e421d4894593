"""The console scripts that a connector's own files declare, read without running any code."""

import ast
import configparser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airbyte_ci.documents import DocumentError, load_toml


def read(folder: Path) -> Mapping[str, tuple[str, str]]:
    """Returns each script's name with its target (`source_x.run:run`) and the declaring file."""
    found: dict[str, tuple[str, str]] = {}
    for source, read_pairs in (("setup.py", _of_setup), ("setup.cfg", _of_cfg), ("pyproject.toml", _of_pyproject)):
        try:
            text = (folder / source).read_text("utf-8", errors="replace")
        except OSError:
            continue
        found |= {name: (target, source) for name, target in read_pairs(text)}
    return found


def _of_pyproject(text: str) -> Iterator[tuple[str, str]]:
    try:
        document: Mapping[str, Any] = load_toml(text)
    except DocumentError:
        return
    for keys in (("tool", "poetry", "scripts"), ("project", "scripts")):
        table: Any = document
        for key in keys:
            table = table.get(key) if isinstance(table, dict) else None
        for name, target in table.items() if isinstance(table, dict) else ():
            reference = target.get("reference") or target.get("callable") if isinstance(target, dict) else target
            if isinstance(reference, str):
                yield name, reference


def _of_setup(text: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "console_scripts":
                    constants = (item.value for item in ast.walk(value) if isinstance(item, ast.Constant))
                    for line in constants:
                        yield from _pairs(str(line))


def _of_cfg(text: str) -> Iterator[tuple[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        yield from _pairs(parser.get("options.entry_points", "console_scripts", fallback=""))
    except configparser.Error:
        return


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, is_pair, target = line.partition("=")
        if is_pair:
            yield name.strip(), target.partition("[")[0].strip()
