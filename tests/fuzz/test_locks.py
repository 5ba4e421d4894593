"""A small dose of what `make fuzz` does at length to locks, and whether the second reading would see a wrong plan."""

from dataclasses import replace

import pytest

from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry, pylock, uv_lock
from airbyte_ci.python.packages.lock import LockedFile, LockedPackage
from tests.fuzz import locks, readings, readings_poetry, readings_uv
from tests.fuzz.locks import Source

pytestmark = pytest.mark.slow

PYTHON = locks.PYTHONS[2]  # 3.10, which all but one of the examples admit


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return locks.sources(locks.EXAMPLES)


def test_mutated_locks_are_read_or_refused(sources: list[Source]) -> None:
    """For any damage of a lock: the environment that it describes, or one plain line."""
    told: list[str] = []
    assert locks.fuzz(150, 1, sources, told.append) == 0, "\n".join(told)


@pytest.mark.parametrize("python", locks.PYTHONS, ids=lambda item: f"{item.version}-{item.markers['platform_machine']}")
def test_locks_that_are_right_are_read(sources: list[Source], python: Interpreter) -> None:
    """With every wish, as the second reading has it; refused is only what is for other Pythons or machines."""
    taken = [
        (source, wish, *locks.attempt(source, source.lock, python, wish))
        for source in sources
        for wish in source.wishes
    ]
    assert [item for item in taken if item[2] == "wrong"] == []
    refused = {said for _, _, ending, said in taken if ending == "refused"}
    assert not [said for said in refused if "no wheel for" not in said and " is for Python " not in said]
    assert {source.kind for source, _, ending, _ in taken if ending == "read"} == {source.kind for source in sources}


def _chosen(source: Source) -> tuple[LockedPackage, ...]:
    if source.kind == "pylock.toml":
        return pylock.select(source.lock, PYTHON, "x").packages
    select = poetry.select if source.kind == "poetry.lock" else uv_lock.select
    return select(source.lock, source.project, PYTHON, "x").packages


@pytest.mark.parametrize("kind", ["poetry.lock", "uv.lock", "pylock.toml"])
def test_the_second_reading_sees_what_is_wrong(sources: list[Source], kind: str) -> None:
    """A package that is missing, one too many, one twice, another version, another hash: none would pass."""
    source = next(item for item in sources if item.kind == kind and item.name == "source-exchange-rates-archive")
    second = {"poetry.lock": readings_poetry.judge, "uv.lock": readings_uv.judge, "pylock.toml": readings.pylock}[kind]
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


def test_the_second_reading_knows_which_entry_is_meant(sources: list[Source]) -> None:
    """A selection for one Python is wrong for another if their entries differ; so is a worse wheel."""
    for kind, judge in (("poetry.lock", readings_poetry.judge), ("uv.lock", readings_uv.judge)):
        named = "source-tides of more entries" if kind == "poetry.lock" else "source-tides"
        source = next(item for item in sources if item.kind == kind and item.name == named)
        for python, other in (locks.PYTHONS[2::2], locks.PYTHONS[4:1:-2]):
            select = poetry.select if kind == "poetry.lock" else uv_lock.select
            selected = select(source.lock, source.project, python, "x").packages
            assert judge(source.lock, source.project, python, selected) == []
            assert judge(source.lock, source.project, other, selected)
    files = [
        f"x-1.0-{tag}.whl" for tag in ("py3-none-any", "cp310-cp310-manylinux_2_17_x86_64", "cp39-abi3-linux_x86_64")
    ]
    package = LockedPackage("x", "1.0", tuple(LockedFile(name, "0" * 64) for name in files))
    said = [bool(readings.chosen([package], [Choice("x", "1.0", file)], PYTHON)) for file in package.files]
    assert said == [True, False, True]
