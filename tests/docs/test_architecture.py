"""ARCHITECTURE.md is what the code is: its mounts are those of the code, and the tests that it names exist."""

import ast
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "ARCHITECTURE.md").read_text()
WALLS = "## Security boundaries"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _walls() -> list[list[str]]:
    """The rows of the table of walls, without its head."""
    section = TEXT.partition(WALLS)[2].partition("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def _tests(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_mounts_are_those_of_the_code() -> None:
    """The table has every purpose of a sandbox's mounts, as in the code."""
    made = subprocess.run(
        [sys.executable, "scripts/mounts.py"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert made.strip() in TEXT, "run `make reference`"


def test_every_wall_has_a_rule_and_a_test() -> None:
    """Each row has the attacker, the attack, the rule, and tests that exist."""
    rows = _walls()
    assert len(rows) > 10
    for row in rows:
        assert len(row) == 4 and all(row), row
        named = _NAMED.findall(row[3])
        assert named, row
        for file, name in named:
            assert name in _tests(PROJECT / file), f"{file}::{name} of the row {row[0]!r}"


def test_every_module_that_a_wall_names_exists() -> None:
    """A rule names the module that keeps it, by its path below airbyte_ci."""
    for row in _walls():
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", row[2]):
            place = PROJECT / "src" / "airbyte_ci" / name.replace(".", "/")
            assert place.with_suffix(".py").exists() or place.is_dir(), name
