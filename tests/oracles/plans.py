"""Our plan of every poetry.lock against poetry's own: names, versions and chosen files, for six imagined environments.

python -m tests.oracles.plans FOLDER [--write]     every poetry.lock below the folder; --write records poetry's answers
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from airbyte_ci.errors import LockError
from airbyte_ci.python.interpreter.interpreter import Interpreter
from airbyte_ci.python.locks import poetry
from airbyte_ci.python.wheels import wheel
from tests.python.interpreters import cpython

POETRY = "poetry==2.1.4"
GLIBC = 36
PYTHONS = ("3.9.18", "3.10.13", "3.11.2")
MACHINES = ("x86_64", "aarch64")
TARGETS = tuple((python, machine) for python in PYTHONS for machine in MACHINES)
# Connector, target, how many packages, and a digest of their names, versions and files; or `refused`.
TABLE = Path(__file__).with_name("selected_by_poetry.tsv")
Plan = list[list[str]]


def asked_of_poetry(folders: Sequence[Path], targets: Sequence[tuple[str, str]]) -> dict[str, dict[str, Plan | str]]:
    """By folder and target (`3.9.18 x86_64`): poetry's own selection and choice of files, or why it has none."""
    question = {"folders": [str(folder) for folder in folders], "targets": list(targets), "glibc": GLIBC}
    script = Path(__file__).with_name("ask_poetry.py")
    uv = [str(Path(sys.executable).with_name("uv")), "run", "--quiet", "--no-project", "--isolated"]
    finished = subprocess.run(
        [*uv, "--with", POETRY, "python", str(script)],
        input=json.dumps(question),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers: dict[str, dict[str, Plan | str]] = json.loads(finished.stdout)
    return answers


def ours(lock: str, project: str, interpreter: Interpreter, name: str) -> Plan | str:
    """Returns the selected names, versions and files, or the reason of the refusal."""
    try:
        selected = poetry.select(lock, project, interpreter, name).packages
    except LockError as error:
        return str(error)
    order = wheel.tag_order(interpreter)
    plan = []
    for package in selected:
        source = next((file.name for file in package.files if not file.name.endswith(".whl")), "nothing")
        chosen = wheel.choose(package.files, order)
        plan.append([package.name, package.version, chosen.name if chosen else source])
    return plan


def interpreter(target: tuple[str, str]) -> Interpreter:
    return cpython(*target, libc=f"glibc 2.{GLIBC}")


def row(name: str, target: str, plan: Plan | str) -> str:
    """A line of the table."""
    if isinstance(plan, str):
        return f"{name}\t{target}\trefused\t-"
    digest = hashlib.sha256("".join(f"{' '.join(item)}\n" for item in sorted(plan)).encode()).hexdigest()
    return f"{name}\t{target}\t{len(plan)}\t{digest[:16]}"


def difference(mine: Plan | str, theirs: Plan | str) -> str:
    """Describes the differences; empty if there are none. Two refusals agree, whatever their messages."""
    if isinstance(mine, str) or isinstance(theirs, str):
        return "" if isinstance(mine, str) and isinstance(theirs, str) else f"ours {mine!s:.200} theirs {theirs!s:.200}"
    left, right = {tuple(item) for item in mine}, {tuple(item) for item in theirs}
    return "; ".join(
        [*(f"+ {' '.join(item)}" for item in left - right), *(f"- {' '.join(item)}" for item in right - left)]
    )


def main() -> None:
    folders = [path.parent for path in sorted(Path(sys.argv[1]).rglob("poetry.lock"))]
    answers = asked_of_poetry(folders, TARGETS)
    different, refused, rows = 0, 0, []
    for folder in folders:
        lock, project = ((folder / name).read_text("utf-8") for name in ("poetry.lock", "pyproject.toml"))
        for target in TARGETS:
            theirs = answers[str(folder)][" ".join(target)]
            mine = ours(lock, project, interpreter(target), folder.name)
            rows.append(row(folder.name, " ".join(target), theirs))
            refused += isinstance(theirs, str)
            if said := difference(mine, theirs):
                different += 1
                print(f"{folder.name} {' '.join(target)}: {said}")
    print(
        f"{len(folders)} locks in {len(TARGETS)} environments, {refused} refused by {POETRY}: {different} plans differ"
    )
    if "--write" in sys.argv:
        known = TABLE.read_text().splitlines() if TABLE.exists() else []
        merged = {line.rpartition("\t")[0].rpartition("\t")[0]: line for line in (*known, *rows)}
        TABLE.write_text("".join(f"{merged[key]}\n" for key in sorted(merged)))
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
