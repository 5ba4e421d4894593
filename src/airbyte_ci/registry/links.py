"""Parses Link headers (RFC 8288); knows their grammar, not their meaning."""

import re
from collections.abc import Iterator

# <address> and its parameters; a comma inside brackets or quotes is not a separator.
_LINK = re.compile(r"""\s*,?\s*<(?P<address>[^>]*)>(?P<parameters>(?:[^,<"]|"(?:[^"\\]|\\.)*")*)""")
_PARAMETER = re.compile(
    r""";\s*(?P<name>[\w!#$&+.^`|~*-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s;,"]*))"""
)
_LIMIT = 16 << 10


def next_link(header: str) -> str | None:
    """Returns the address with the relation `next` in one or several headers, if any."""
    return next((address for address, relations in _links(header[:_LIMIT]) if "next" in relations), None)


def _links(header: str) -> Iterator[tuple[str, frozenset[str]]]:
    position = 0
    while found := _LINK.match(header, position):
        position = found.end()
        # Only the first of several rel parameters applies (RFC 8288, 3.3).
        values = [
            item["quoted"] or item["bare"] or ""
            for item in _PARAMETER.finditer(found["parameters"])
            if item["name"].lower() == "rel"
        ]
        yield found["address"], frozenset(values[0].lower().split() if values else ())
