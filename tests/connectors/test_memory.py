"""Cached metadata: always the same result as parsing, and never an error."""

import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.config import Configuration
from airbyte_ci.connectors import find, metadata
from airbyte_ci.connectors.memory import MetadataCache
from airbyte_ci.errors import MetadataError
from tests.connectors.fleets import MONOREPO, write

LATER = 10**9


class Parser:
    """The real parser, with a counter."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path, shown: str) -> dict[str, Any]:
        self.count += 1
        return metadata.load(path, shown)


def loaded(tmp_path: Path, parser: Parser, later: int = LATER) -> dict[str, Any]:
    memory = MetadataCache(tmp_path / "memory", lambda: time.time_ns() + later)
    data = memory.load(tmp_path / "metadata.yaml", "x/metadata.yaml", parser)
    memory.save()
    return data


def put(tmp_path: Path, text: str) -> None:
    (tmp_path / "metadata.yaml").write_text(text)


DATA = "data:\n  a: [1, 2.5, true, null, 'ü\\n\\t', {b: 2023-01-02}]\n  c: 2023-10-13\n  d: 1.10\n"


def test_what_is_remembered_is_what_was_parsed(tmp_path: Path) -> None:
    """Every kind of value is restored, including dates, without parsing."""
    put(tmp_path, DATA)
    parser = Parser()
    first, second, third = (loaded(tmp_path, parser) for _ in range(3))
    assert first == second == third == metadata.load(tmp_path / "metadata.yaml", "x")
    assert second["c"] == date(2023, 10, 13)
    assert parser.count == 1


def test_a_change_is_seen(tmp_path: Path) -> None:
    """Other content of the same length, or another file in its place, is parsed again."""
    put(tmp_path, "data: {a: 1}\n")
    parser = Parser()
    assert loaded(tmp_path, parser) == {"a": 1}
    put(tmp_path, "data: {a: 2}\n")
    assert loaded(tmp_path, parser) == {"a": 2}
    (tmp_path / "other").write_text("data: {a: 3}\n")
    state = (tmp_path / "metadata.yaml").stat()
    os.utime(tmp_path / "other", ns=(state.st_atime_ns, state.st_mtime_ns))
    (tmp_path / "other").replace(tmp_path / "metadata.yaml")
    assert loaded(tmp_path, parser) == {"a": 3}


def test_a_file_that_is_just_written_is_not_trusted(tmp_path: Path) -> None:
    """Within the clock's resolution it could change again without a trace."""
    put(tmp_path, "data: {a: 1}\n")
    parser = Parser()
    loaded(tmp_path, parser, later=0)
    loaded(tmp_path, parser, later=0)
    assert parser.count == 2


@pytest.mark.parametrize(
    "text",
    [
        "data: {1: a}\n",
        "data: {a: .nan}\n",
        "data: {a: 2023-10-13T10:00:00Z}\n",
        "data: {a: !!binary aGk=}\n",
        "data: {a: !!set {x}}\n",
    ],
)
def test_what_json_cannot_hold_is_parsed_again(tmp_path: Path, text: str) -> None:
    """Values that JSON lacks are parsed again, rather than restored wrongly."""
    put(tmp_path, text)
    parser = Parser()
    assert repr(loaded(tmp_path, parser)) == repr(loaded(tmp_path, parser))
    assert parser.count == 2


@pytest.mark.parametrize("damage", [b"", b"\xff", b"airbyte-ci metadata 0\n", "half", "data"])
def test_a_damaged_memory_is_none(tmp_path: Path, damage: bytes | str) -> None:
    """With any content of the cache, the result is correct."""
    put(tmp_path, DATA)
    parser = Parser()
    loaded(tmp_path, parser)
    memory = tmp_path / "memory"
    kept = memory.read_bytes()
    if damage == "half":
        memory.write_bytes(kept[: len(kept) // 2])
    elif damage == "data":
        memory.write_bytes(kept.replace(b"2023-10-13", b"2023-99-99"))
    else:
        assert isinstance(damage, bytes)
        memory.write_bytes(damage)
    assert loaded(tmp_path, parser) == metadata.load(tmp_path / "metadata.yaml", "x")
    assert parser.count == 2


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """It works without a cache; errors of metadata are the same as without one."""
    put(tmp_path, "data: [\n")
    (tmp_path / "file").touch()
    memory = MetadataCache(tmp_path / "file" / "memory", lambda: time.time_ns() + LATER)
    with pytest.raises(MetadataError, match="not valid YAML"):
        memory.load(tmp_path / "metadata.yaml", "x", metadata.load)
    put(tmp_path, DATA)
    assert memory.load(tmp_path / "metadata.yaml", "x", metadata.load)
    memory.save()


def test_a_fleet_is_found_the_same_way(tmp_path: Path) -> None:
    """With and without the cache, new and removed connectors and files are detected."""
    write(tmp_path, f"{MONOREPO}/source-a", "setup.py", x=1)
    write(tmp_path, f"{MONOREPO}/source-b", x=2)
    configuration = Configuration(root=tmp_path)

    def found() -> object:
        return find.find(configuration, MetadataCache(tmp_path / "memory", lambda: time.time_ns() + LATER))

    assert found() == found() == find.find(configuration)
    write(tmp_path, f"{MONOREPO}/source-c", "Dockerfile", x=3)
    (tmp_path / MONOREPO / "source-a/setup.py").unlink()
    (tmp_path / MONOREPO / "source-b/metadata.yaml").unlink()
    assert found() == find.find(configuration)
