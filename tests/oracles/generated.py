"""Generated projects, locked and selected by poetry and uv themselves, compared with airbyte-ci's selection.

python -m tests.oracles.generated [COUNT] [FIRST SEED] [poetry|uv]
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry, uv_lock
from airbyte_ci.python.packages.lock import Lock, Wish
from tests.oracles.lock_by_uv import lock_by_uv
from tests.python.interpreters import cpython

POETRY = "poetry==2.5.1"
# The lines that format 2.1 adds to a package.
_MARKED = re.compile(r"(?m)^(?:groups|markers) = .*\n")
_NAME = re.compile(r'(?m)^name = "(.*)"')
PYTHONS = ("3.9.18", "3.10.13", "3.11.2")


def of_poetry(seeds: range) -> list[dict[str, Any]]:
    """Returns the projects of these seeds that poetry can lock, with its own selections."""
    script = Path(__file__).with_name("lock_by_poetry.py")
    uv = [str(Path(sys.executable).with_name("uv")), "run", "--quiet", "--no-project", "--isolated"]
    finished = subprocess.run(
        [*uv, "--with", POETRY, "python", str(script)],
        input=json.dumps({"seeds": list(seeds), "pythons": PYTHONS}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(finished.stdout)
    return found


def poetry_differences(seeds: range) -> Iterator[str]:
    """Yields one text for each selection that is not poetry's.

    The lock is read as it is, by groups and markers, and as format 2.0, by its graph. Poetry's own two ways do not
    always agree: then only the first is compared. A lock that contradicts itself, so that poetry cannot resolve it
    again or would install two versions of a package, is not compared; neither are several entries of a package without
    their markers, among which only a resolver can choose.
    """
    for item in of_poetry(seeds):
        older = _MARKED.sub("", item["lock"]).replace('lock-version = "2.1"', 'lock-version = "2.0"')
        names = _NAME.findall(item["lock"])
        is_forked = len(set(names)) < len(names)
        for answer in item["answers"]:
            expected = answer["packages"]
            is_double = len({text.partition("==")[0] for text in expected}) < len(expected)
            if is_double or isinstance(answer["again"], str):
                continue
            for kind, lock in (("2.1", item["lock"]), ("2.0", older)):
                if kind == "2.0" and (is_forked or answer["again"] != expected):
                    continue
                wish = Wish(tuple(answer["groups"]), tuple(answer["extras"]))
                mine = _selected(poetry.select, lock, item["project"], answer["python"], wish)
                if mine != expected:
                    yield f"seed {item['seed']}, {kind}, Python {answer['python']}, {wish}: {mine} not {expected}"


def uv_differences(seeds: range) -> Iterator[str]:
    """Yields one text for each selection that is not uv's."""
    with tempfile.TemporaryDirectory() as folder:
        for item in lock_by_uv(seeds, PYTHONS, Path(folder)):
            for answer in item.answers:
                wish = Wish(answer.groups, answer.extras)
                mine = _selected(uv_lock.select, item.lock, item.project, answer.python, wish)
                if mine != [*answer.packages]:
                    yield f"seed {item.seed}, Python {answer.python}, {wish}: {mine} not {[*answer.packages]}"


def _selected(
    select: Callable[[str, str, Interpreter, str, Wish], Lock], lock: str, project: str, python: str, wish: Wish
) -> list[str]:
    try:
        found = select(lock, project, cpython(python), "generated", wish)
    except LockError as error:
        return [str(error)]
    return [f"{package.name}=={package.version}" for package in found.packages]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    seeds = range(first, first + count)
    wrong = 0
    for tool, differences in ((POETRY, poetry_differences(seeds)), ("uv", uv_differences(seeds))):
        if tool.partition("=")[0] not in (sys.argv[3:] or ("poetry", "uv")):
            continue
        found = 0
        for text in differences:
            found += 1
            print(text, flush=True)
        print(f"{count} projects generated for {tool}: {found or 'no'} differences")
        wrong += found
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
