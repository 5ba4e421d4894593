"""The requirements that a connector's own files declare, read without running any code."""

import ast
import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from airbyte_ci.connectors import pylock_names
from airbyte_ci.documents import DocumentError, load_toml
from airbyte_ci.python.locks import project
from airbyte_ci.python.packages import constraints

_LOCKED = re.compile(r'^name = "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DeclaredRequirements:
    """The requirements that the build installs. `source` is the declaring file, which is the one to edit.

    `by_name` has the versions of each declared package, and `locked` all names of its lock.
    """

    source: str
    by_name: Mapping[str, str] = field(default_factory=dict)
    locked: frozenset[str] = frozenset()

    def gap(self, text: str) -> str:
        """Returns why the build does not install a requirement as written; empty if it does."""
        try:
            asked = Requirement(text)
        except InvalidRequirement:
            return f"it is not a plain requirement; add what it installs to {self.source}"
        name = canonicalize_name(asked.name)
        declared = self.by_name.get(name)
        if declared is None and name not in self.locked:
            return f"{self.source} does not list {asked.name}; add it there"
        if asked.url or (declared and asked.specifier and not _contains(declared, str(asked.specifier))):
            return f"{self.source} requires {asked.name}{declared or ''}; write the version there if it matters"
        return ""


def read(folder: Path) -> DeclaredRequirements:
    """Returns those of the file that the build reads: pyproject.toml, setup.py, setup.cfg, else requirements.txt."""
    locked: set[str] = set()
    for name in ("poetry.lock", "uv.lock", *pylock_names.of(path.name for path in folder.iterdir())):
        locked |= {str(canonicalize_name(found)) for found in _LOCKED.findall(_text(folder / name))}
    document = _toml(_text(folder / "pyproject.toml"))
    if project.describes_itself(document):
        return DeclaredRequirements("pyproject.toml", dict(_of_pyproject(document)), frozenset(locked))
    for source, texts in (("setup.py", _of_setup), ("setup.cfg", _of_cfg)):
        if (folder / source).is_file():
            return DeclaredRequirements(source, _by_name(texts(_text(folder / source))), frozenset(locked))
    if (folder / "requirements.txt").is_file():
        lines = (text for _, text in requirement_lines(_text(folder / "requirements.txt")))
        return DeclaredRequirements("requirements.txt", _by_name(lines), frozenset(locked))
    return DeclaredRequirements("pyproject.toml", {}, frozenset(locked))


def requirement_lines(text: str) -> Iterator[tuple[int, str]]:
    """Returns the line number and text of each requirement of a requirements file that is not locked by hashes."""
    joined = ""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        joined += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        plain, joined = re.sub(r"(^|\s)#.*", "", joined).strip(), ""
        if plain:
            yield number, plain


def _contains(declared: str, asked: str) -> bool:
    return asked.replace(" ", "") in declared.replace(" ", "")


def _by_name(texts: Iterator[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        found[str(canonicalize_name(requirement.name))] = str(requirement.specifier)
    return found


def _of_pyproject(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    table = document.get("project")
    listed = table.get("dependencies") if isinstance(table, dict) else None
    yield from _by_name(text for text in listed or () if isinstance(text, str)).items()
    tool = document.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    dependencies = poetry.get("dependencies") if isinstance(poetry, dict) else None
    for name, details in dependencies.items() if isinstance(dependencies, dict) else ():
        version = details.get("version") if isinstance(details, dict) else details
        yield str(canonicalize_name(name)), _specifier(version) if isinstance(version, str) else ""


def _specifier(version: str) -> str:
    try:
        return " or ".join(map(str, constraints.specifiers(version)))
    except ValueError:
        return version


def _of_setup(text: str) -> Iterator[str]:
    """Returns the texts of `install_requires`, written inline or as a named list."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lists = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            yield from _texts(node.value, lists)


def _texts(node: ast.expr, lists: Mapping[str, ast.expr], depth: int = 0) -> Iterator[str]:
    match node:
        case ast.Name(id=name) if name in lists and depth < 10:
            yield from _texts(lists[name], lists, depth + 1)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                yield from _texts(item.value if isinstance(item, ast.Starred) else item, lists, depth)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from _texts(left, lists, depth)
            yield from _texts(right, lists, depth)
        case ast.Constant(value=str(value)):
            yield value


def _of_cfg(text: str) -> Iterator[str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        yield from parser.get("options", "install_requires", fallback="").splitlines()
    except configparser.Error:
        return


def _toml(text: str) -> dict[str, Any]:
    try:
        return load_toml(text)
    except DocumentError:
        return {}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
