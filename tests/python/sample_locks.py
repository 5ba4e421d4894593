"""Poetry locks for tests: in poetry's format, and the real ones of June 2024 if they are available."""

import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry
from tests.python.interpreters import cpython

REAL = Path(__file__).parents[2] / ".." / "shared" / "fleet" / "locks-2024-06.tar.xz"


def project(*lines: str) -> str:
    """A pyproject.toml whose main dependencies are these lines."""
    return "\n".join(["[tool.poetry]", 'name = "x"', "[tool.poetry.dependencies]", 'python = "^3.9"', *lines, ""])


def package(name: str, version: str, *lines: str, dependencies: tuple[str, ...] = (), more: str = "") -> str:
    """A package's tables: `lines` are keys of its own, `dependencies` those of [package.dependencies]."""
    file = f'{{file = "{name.replace("-", "_")}-{version}-py3-none-any.whl", hash = "sha256:{"0" * 64}"}}'
    files = () if any(line.startswith("files") for line in lines) else (f"files = [{file}]",)
    own = [f'name = "{name}"', f'version = "{version}"', "optional = false", 'python-versions = ">=3.8"', *files]
    own = [line for line in own if not any(other.startswith(line.split(" =")[0] + " =") for other in lines)]
    tables = ["[package.dependencies]", *dependencies] if dependencies else []
    return "\n".join(["[[package]]", *own, *lines, *tables, more, ""])


def lock(pyproject: str, *packages: str, metadata: str = "", python: str = "^3.9") -> str:
    """A poetry.lock that is current for the pyproject.toml."""
    recorded = sorted(poetry.content_hashes(tomllib.loads(pyproject)))[0]
    tail = f'[metadata]\nlock-version = "2.0"\npython-versions = "{python}"\ncontent-hash = "{recorded}"\n{metadata}'
    return "\n".join([*packages, tail])


def select(pyproject: str, *packages: str, interpreter: Interpreter | None = None) -> list[str]:
    """`name==version` of what the lock of these packages gives, sorted by name."""
    text = lock(pyproject, *packages)
    found = poetry.select(text, pyproject, interpreter or cpython(), "connectors/x")
    return [f"{item.name}=={item.version}" for item in found.packages]


def real() -> Iterator[tuple[str, str, str]]:
    """Of each of the 62 real connectors: its name, its poetry.lock and its pyproject.toml."""
    if not REAL.exists():
        pytest.skip("the real locks (../shared/fleet/locks-2024-06.tar.xz) are not here")
    texts: dict[str, dict[str, str]] = {}
    with tarfile.open(REAL) as tar:
        for member in tar:
            reader = tar.extractfile(member)
            if reader:
                path = Path(member.name)
                texts.setdefault(path.parent.name, {})[path.name] = reader.read().decode()
    for name in sorted(texts):
        yield name, texts[name]["poetry.lock"], texts[name]["pyproject.toml"]
