"""Each kind of stored action is declared as valid on other machines or not."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from airbyte_ci.checks.results import Kind
from airbyte_ci.images.result_kinds import LOCAL, PARTS, PORTABLE

SOURCE = Path(__file__).parents[2] / "src" / "airbyte_ci"
# The position of the kind among the arguments.
_CALLS = {"action_key": 0, "reuse": 0, "reuse_layer": 1}


def _kinds() -> Iterator[str]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                place = _CALLS.get(name)
                if place is not None and len(node.args) > place:
                    argument = node.args[place]
                    if isinstance(argument, ast.Constant):
                        yield str(argument.value)
                    elif isinstance(argument, ast.JoinedStr):
                        yield from (f"connector-{kind}" for kind in get_args(Kind))


def test_every_kind_is_declared_once() -> None:
    """A new kind must be listed, so that no verdict of a machine reaches another one by mistake."""
    found = set(_kinds())
    groups = [set(PORTABLE.making), set(PORTABLE.naming), set(LOCAL), set(PARTS)]
    assert found == set().union(*groups)
    assert sum(map(len, groups)) == len(found)
