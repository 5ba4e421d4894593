"""A small dose of what `make fuzz` does at length to locks, and whether the second reading would see a wrong plan."""

from dataclasses import replace

import pytest

from airbyte_ci.python import poetry, pylock, uv_lock
from airbyte_ci.python.lock import LockedFile, LockedPackage
from tests.fuzz import locks, readings
from tests.fuzz.locks import Source

PYTHON = locks.PYTHONS[2]  # 3.10, which all but one of the examples admit


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return locks.sources(locks.EXAMPLES)


def test_mutated_locks_are_read_or_refused(sources: list[Source]) -> None:
    """Whatever happens to a lock: the environment that it says, or one plain line."""
    told: list[str] = []
    assert locks.fuzz(150, 1, sources, told.append) == 0, "\n".join(told)


def _chosen(source: Source) -> tuple[LockedPackage, ...]:
    if source.kind == "pylock.toml":
        return pylock.select(source.lock, PYTHON, "x").packages
    select = poetry.select if source.kind == "poetry.lock" else uv_lock.select
    return select(source.lock, source.project, PYTHON, "x").packages


@pytest.mark.parametrize("kind", ["poetry.lock", "uv.lock", "pylock.toml"])
def test_the_second_reading_sees_what_is_wrong(sources: list[Source], kind: str) -> None:
    """A package that is missing, one too many, one twice, another version, another hash: none would pass."""
    source = next(item for item in sources if item.kind == kind and item.name == "source-exchange-rates-archive")
    second = {"poetry.lock": readings.poetry, "uv.lock": readings.uv, "pylock.toml": readings.pylock}[kind]
    right = _chosen(source)
    assert second(source.lock, source.project, PYTHON, right) == []
    one = right[0]
    (first, *others) = one.files
    for wrong in (
        right[1:],
        (*right, LockedPackage("evil", "1.0", (LockedFile("evil-1.0-py3-none-any.whl", "0" * 64),))),
        (*right, one),
        (replace(one, version="0.0.1"), *right[1:]),
        (replace(one, files=(replace(first, sha256="0" * 64), *others)), *right[1:]),
        (replace(one, files=()), *right[1:]),
    ):
        assert second(source.lock, source.project, PYTHON, wrong)
