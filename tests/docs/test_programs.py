"""ARCHITECTURE.md lists every program that airbyte-ci starts, with whose configuration it runs."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "src" / "airbyte_ci"
_STARTS = re.compile(
    r"subprocess\.(run|Popen|check_output|check_call|call)|posix\.posix_spawn"
    r"|os\.(system|popen|exec\w+|spawn\w+|posix_spawn\w*)"
)


def _starting() -> set[str]:
    """The modules that start a program, below airbyte_ci."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        if any(_STARTS.fullmatch(ast.unparse(call.func)) for call in calls):
            found.add(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    return found


def test_every_program_is_in_the_table() -> None:
    """Each module that starts a process is in a row that names whose configuration applies."""
    table = (PROJECT / "ARCHITECTURE.md").read_text().partition("### Every program that is started")[2]
    rows = [
        row.strip("|").split("|")
        for row in table.partition("<!-- end of programs -->")[0].splitlines()
        if row.startswith("|")
    ]
    named = {name for row in rows[2:] for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", row[1])}
    assert _starting() <= named
    assert all(len(row) == 3 and row[2].strip() for row in rows)
    for name in named:
        assert (PACKAGE / name.replace(".", "/")).with_suffix(".py").exists(), name
