"""Mutated locks: each gives the environment that it describes, or is refused with one line; never a traceback.

python -m tests.fuzz.locks [COUNT] [SEED]     the real locks if they are next to the project, else the examples
"""

import multiprocessing
import os
import random
import re
import signal
import sys
import tarfile
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.python.environment import environment
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry, pylock, uv_lock
from airbyte_ci.python.packages import requirements
from airbyte_ci.python.packages.lock import MAIN_ONLY, LockedFile, Wish
from airbyte_ci.python.sources import trees
from tests.fuzz import readings, readings_poetry, readings_uv, written
from tests.fuzz.mutations import mutate
from tests.python.interpreters import cpython
from tests.python.sample_locks import REAL

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTHONS = tuple(
    cpython(python, machine) for python in ("3.9.18", "3.10.13", "3.11.2") for machine in ("x86_64", "aarch64")
)
# Seconds within which any lock must be read or refused; real ones take hundredths.
_PATIENCE = 20


@dataclass(frozen=True)
class Source:
    """A lock that is right, of one format, with its pyproject.toml and what can be wished of it."""

    name: str
    kind: str
    lock: str
    project: str = ""
    wishes: tuple[Wish, ...] = (MAIN_ONLY,)


def read(source: Source, lock: str, python: Interpreter, wish: Wish = MAIN_ONLY, project: str = "") -> list[str]:
    """Reads a lock with airbyte-ci; returns the second reading's objections. Raises AirbyteCiError for a refusal.

    `project` is a pyproject.toml that replaces the source's.
    """
    project = project or source.project
    match source.kind:
        case "poetry.lock":
            selected = poetry.select(lock, project, python, source.name, wish)
            wrong = readings_poetry.judge(lock, project, python, selected.packages, wish)
            if _hash(lock) == _hash(source.lock) and readings_poetry.is_stale(source.project, project):
                wrong.append("the lock was made for another pyproject.toml")
        case "uv.lock":
            selected = uv_lock.select(lock, project, python, source.name, wish)
            wrong = readings_uv.judge(lock, project, python, selected.packages, wish)
        case "pylock.toml":
            selected = pylock.select(lock, python, source.name, wish)
            wrong = readings.pylock(lock, project, python, selected.packages, wish)
        case _:
            entries = [item for item in requirements.parse(lock, source.name).entries if not item.place]
            lines = [
                (item.name, str(item.specifier), item.hashes, item.extras, _applies(item, python)) for item in entries
            ]
            return readings.requirements(lock, lines, python)
    choices = environment.choose(selected, python, lambda package: LockedFile(f"{package.name}{trees.SUFFIX}", ""))
    return wrong + readings.chosen(selected.packages, choices, python)


def _applies(entry: requirements.RequirementEntry, python: Interpreter) -> bool:
    return entry.marker is None or entry.marker.evaluate(dict(python.markers))


def _hash(lock: str) -> str:
    found = re.search(r'(?m)^content-hash = "[^"]*"', lock)
    return found[0] if found else ""


def attempt(
    source: Source, lock: str, python: Interpreter, wish: Wish = MAIN_ONLY, project: str = ""
) -> tuple[str, str]:
    """The result for a lock: `read`, `refused` or `wrong`; with the message."""

    def too_long(*_: int | FrameType | None) -> None:
        raise TimeoutError(f"not read within {_PATIENCE} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(_PATIENCE)
    try:
        said = read(source, lock, python, wish, project)
        return ("wrong", "; ".join(said)[:300]) if said else ("read", "")
    except AirbyteCiError as error:
        line = error.message
        fine = "\n" not in line and line.isprintable() and len(line) < 600
        return ("refused", line) if fine else ("wrong", f"not one plain line: {line[:300]!r}")
    except Exception as error:  # noqa: BLE001  # that is what is looked for
        return "wrong", f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def sources(folder: Path) -> list[Source]:
    """Every poetry.lock below a folder, and what it selects in the other formats."""
    found = []
    for path in sorted(folder.rglob("poetry.lock")):
        lock, project = path.read_text("utf-8"), (path.parent / "pyproject.toml").read_text("utf-8")
        name = path.parent.name
        more = written.poetry(lock)
        found.append(Source(name, "poetry.lock", lock, project, _wishes(project)))
        found.append(Source(f"{name} of more entries", "poetry.lock", more, project, _wishes(project)))
        python = next((item for item in PYTHONS if attempt(found[-2], lock, item)[0] == "read"), None)
        if python is not None:
            chosen = poetry.select(lock, project, python, name).packages
            found.append(Source(name, "uv.lock", *written.uv(chosen), written.wishes(chosen)))
            found.append(Source(name, "pylock.toml", written.pylock(chosen), "", written.wishes(chosen)))
            found.append(Source(name, "requirements.txt", written.requirements(chosen)))
    return found


def _wishes(project: str) -> tuple[Wish, ...]:
    """The main dependencies alone, and with the groups and the extras that poetry's tables have."""
    table = tomllib.loads(project).get("tool", {}).get("poetry", {})
    wish = Wish(tuple(table.get("group", {})), tuple(table.get("extras", {})))
    return tuple(dict.fromkeys((MAIN_ONLY, replace(wish, extras=()), replace(wish, groups=()), wish)))


def mutated(source: Source, chance: random.Random) -> tuple[str, str]:
    """The lock, and now and then its pyproject.toml, with something wrong; or the project, as if it was locked so."""
    kind = chance.randrange(8) if source.project else 7
    if kind > 1:
        return mutate(source.lock, chance), source.project
    project = mutate(source.project, chance)
    if kind == 0 or source.kind != "poetry.lock":
        return source.lock, project
    try:
        hashes = sorted(poetry.content_hashes(tomllib.loads(project)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return source.lock, project  # no tool could lock that
    return re.sub(r'(?m)^content-hash = "[^"]*"', f'content-hash = "{hashes[0]}"', source.lock), project


def fuzz(count: int, seed: int, among: Sequence[Source], tell: Callable[[str], None]) -> int:
    """Returns how many of `count` mutated locks were read wrongly; `tell` receives each, with the way to repeat it."""
    taken = _fuzz(range(count), seed, among, tell)
    tell(", ".join(f"{kind}: {taken[kind]}" for kind in sorted(taken)))
    return taken["wrong"]


def _fuzz(numbers: range, seed: int, among: Sequence[Source], tell: Callable[[str], None]) -> Counter[str]:
    taken: Counter[str] = Counter()
    for number in numbers:
        chance = random.Random(f"{seed}-{number}")
        source, python = chance.choice(among), chance.choice(PYTHONS)
        lock, project = mutated(source, chance)
        ending, said = attempt(source, lock, python, chance.choice(source.wishes), project)
        taken[f"{source.kind} {ending}"] += 1
        taken[ending] += 1
        if ending == "wrong":
            tell(f"{seed}-{number} {source.kind} of {source.name} on {python.version}: {said}")
    return taken


def _side_by_side(count: int, seed: int, among: Sequence[Source]) -> int:
    """The same on all processors: a lock's number decides its mutation."""
    width = os.cpu_count() or 1
    parts = [range(first, count, width) for first in range(width)]
    with ProcessPoolExecutor(width, multiprocessing.get_context("fork")) as pool:
        counted = pool.map(_fuzz, parts, [seed] * width, [among] * width, [print] * width)
        taken = sum(counted, Counter[str]())
    print(", ".join(f"{kind}: {taken[kind]}" for kind in sorted(taken)))
    return taken["wrong"]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    among = sources(EXAMPLES)
    if REAL.exists():
        with tempfile.TemporaryDirectory() as name, tarfile.open(REAL) as archive:
            archive.extractall(name, filter="data")
            among += sources(Path(name))
    print(f"{sum(source.kind == 'poetry.lock' for source in among)} locks of poetry, {len(among)} with other formats")
    started = time.monotonic()
    wrong = _side_by_side(count, seed, among)
    took = time.monotonic() - started
    print(f"{count} mutated locks of four formats (seed {seed}, {took:.0f} s): {wrong or 'none'} taken wrongly")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
