"""Markers with several active extras at once, as locks use them.

`extra == 'x'` means that x is active. PEP 508 supports one extra at a time; PEP 751's `extras` supports several, so
poetry.lock and uv.lock are evaluated with that.
"""

import re
from collections.abc import Collection
from typing import Any

from packaging.markers import Marker

from airbyte_ci.python.interpreter.interpreter import Interpreter

_QUOTED = r"""'[^']*'|"[^"]*\""""
_EXTRA = re.compile(rf"\bextra\s*(?P<operator>==|!=)\s*(?P<name>{_QUOTED})")
_TURNED = re.compile(rf"(?P<name>{_QUOTED})\s*(?P<operator>==|!=)\s*extra\b")
_AMONG = {"==": "in", "!=": "not in"}


def holds(marker: Marker | str, interpreter: Interpreter, extras: Collection[str] = ()) -> bool:
    """Returns whether the marker holds for the interpreter with these extras active; raises InvalidMarker."""
    text = str(marker)
    if "extra" not in text:
        return (marker if isinstance(marker, Marker) else Marker(text)).evaluate(dict(interpreter.markers))
    for pattern in (_EXTRA, _TURNED):
        text = pattern.sub(lambda found: f"{found['name']} {_AMONG[found['operator']]} extras", text)
    environment: Any = {**interpreter.markers, "extras": frozenset(extras)}
    return Marker(text).evaluate(environment, context="lock_file")
