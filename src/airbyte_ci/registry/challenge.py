"""WWW-Authenticate headers (RFC 9110, 11.6.1) as values; knows their grammar, not what to answer."""

import re
from collections.abc import Mapping
from dataclasses import field

from airbyte_ci.records import dataclass

# A scheme is a token that is followed by a blank, a comma or the end; a parameter's name by `=`.
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|\Z)')
_SCHEME = re.compile(r"\s*,?\s*([A-Za-z0-9_-]+)(?:\s+|,|\Z)(?!\s*=)")
_LIMIT = 8 << 10


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication method: its scheme in lower case (`bearer`, `basic`) and its parameters."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(header: str) -> tuple[Challenge, ...]:
    """Returns the challenges of a header in order; skips invalid ones."""
    challenges: list[Challenge] = []
    header, position = header[:_LIMIT], 0
    while position < len(header):
        if match := _PARAMETER.match(header, position):
            if challenges:
                name, quoted, bare = match.groups()
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
                challenges[-1] = _with(challenges[-1], name.lower(), value)
        elif match := _SCHEME.match(header, position):
            challenges.append(Challenge(match[1].lower()))
        position = match.end() if match else position + 1
    return tuple(challenges)


def _with(challenge: Challenge, name: str, value: str) -> Challenge:
    return Challenge(challenge.scheme, {**challenge.parameters, name: value})
