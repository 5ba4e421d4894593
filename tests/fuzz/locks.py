"""Mutated locks: each is read to the environment that it says, or refused with one line; never a traceback.

python -m tests.fuzz.locks [COUNT] [FOLDER] [SEED]     FOLDER: poetry.lock files below it are mutated too
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.python import poetry, pylock, requirements, uv_lock
from airbyte_ci.python.interpreter import Interpreter
from tests.fuzz import readings, written
from tests.fuzz.mutations import mutate
from tests.python.interpreters import cpython

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTHONS = tuple(
    cpython(python, machine) for python in ("3.9.18", "3.10.13", "3.11.2") for machine in ("x86_64", "aarch64")
)
# Seconds within which any lock must be read or refused; real ones take hundredths.
_PATIENCE = 20


@dataclass(frozen=True)
class Source:
    """A lock that is right, of one format, with its pyproject.toml."""

    name: str
    kind: str
    lock: str
    project: str = ""


def read(source: Source, lock: str, python: Interpreter) -> list[str]:
    """Reads a lock as we do; what the second reading has against the result. Raises AirbyteCiError for a refusal."""
    match source.kind:
        case "poetry.lock":
            chosen = poetry.select(lock, source.project, python, source.name).packages
            return readings.poetry(lock, source.project, python, chosen)
        case "uv.lock":
            chosen = uv_lock.select(lock, source.project, python, source.name).packages
            return readings.uv(lock, source.project, python, chosen)
        case "pylock.toml":
            chosen = pylock.select(lock, python, source.name).packages
            return readings.pylock(lock, source.project, python, chosen)
    entries = [item for item in requirements.parse(lock, source.name).entries if not item.place]
    return readings.requirements(lock, [(item.name, str(item.specifier), item.hashes) for item in entries])


def attempt(source: Source, lock: str, python: Interpreter) -> tuple[str, str]:
    """How a lock was taken: `read`, `refused` or `wrong`; with what was said."""

    def too_long(*_: int | FrameType | None) -> None:
        raise TimeoutError(f"not read within {_PATIENCE} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(_PATIENCE)
    try:
        said = read(source, lock, python)
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
        found.append(Source(name, "poetry.lock", lock, project))
        python = next((item for item in PYTHONS if attempt(found[-1], lock, item)[0] == "read"), None)
        if python is not None:
            chosen = poetry.select(lock, project, python, name).packages
            found.append(Source(name, "uv.lock", *written.uv(chosen)))
            found.append(Source(name, "pylock.toml", written.pylock(chosen)))
            found.append(Source(name, "requirements.txt", written.requirements(chosen)))
    return found


def fuzz(count: int, seed: int, among: Sequence[Source], tell: Callable[[str], None]) -> int:
    """How many of `count` mutated locks were taken wrongly; `tell` hears of each, with what makes it again."""
    taken: Counter[str] = Counter()
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        source, python = chance.choice(among), chance.choice(PYTHONS)
        lock = mutate(source.lock, chance)
        ending, said = attempt(source, lock, python)
        taken[f"{source.kind} {ending}"] += 1
        taken[ending] += 1
        if ending == "wrong":
            tell(f"{seed}-{number} {source.kind} of {source.name} on {python.version}: {said}")
    tell(", ".join(f"{kind}: {taken[kind]}" for kind in sorted(taken)))
    return taken["wrong"]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    among = sources(EXAMPLES)
    if len(sys.argv) > 2 and sys.argv[2]:
        among += sources(Path(sys.argv[2]))
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns()
    started = time.monotonic()
    wrong = fuzz(count, seed, among, print)
    took = time.monotonic() - started
    print(f"{count} mutated locks of four formats (seed {seed}, {took:.0f} s): {wrong or 'none'} taken wrongly")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
