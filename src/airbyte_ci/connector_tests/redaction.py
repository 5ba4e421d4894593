"""Removes values from texts, in any spelling, and also if only a part of a value is present.

Knows how programs spell, encode and abbreviate a value; not where the values come from.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# Shorter texts occur by chance and reveal nothing.
SHORTEST = 4
# Programs abbreviate long values, so no run of this many characters may remain.
LONG = 20
RUN = 8
# Each run is kept in memory. Beyond this many characters, only the whole value and each line are searched,
# and a single text that exceeds it is searched only in its own spelling.
_MOST_ABBREVIATED = 1 << 16
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


class Redaction:
    """What must not be in a text: short spellings, long ones by their beginning, and runs of long values."""

    def __init__(self, values: Iterable[str]) -> None:
        short: set[str] = set()
        whole: dict[str, set[str]] = {}
        encoded: set[str] = set()
        runs: set[str] = set()
        left = _MOST_ABBREVIATED
        for part in dict.fromkeys(part for value in values for part in _parts(value)):
            is_huge = len(part) > _MOST_ABBREVIATED
            plain, in_base64 = ({part}, set()) if is_huge else ({*_spelled(part)}, {*_in_base64(part)})
            encoded |= in_base64
            for spelling in plain | in_base64:
                if len(spelling) < RUN:
                    short.add(spelling)
                else:
                    whole.setdefault(spelling[:RUN], set()).add(spelling)
            for piece in _abbreviated(part):
                if (left := left - len(piece)) < 0:
                    break
                for spelling in (*_spelled(piece), *_in_base64(piece)):
                    runs.update(spelling[at : at + RUN] for at in range(len(spelling) - RUN + 1))
        ordered = sorted(short, key=lambda text: (-len(text), text))
        self._short = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._whole = {key: sorted(found, key=len, reverse=True) for key, found in whole.items()}
        self._encoded = encoded
        self._runs = runs
        self._known = runs | whole.keys()

    def redact(self, text: str) -> str:
        """Returns the text with HIDDEN in place of each value and of its spellings."""
        pieces: list[str] = []
        position = 0
        for start, end in _merged(sorted(self._found(text))):
            pieces += [text[position:start], HIDDEN]
            position = end
        return "".join((*pieces, text[position:]))

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        if self._short:
            for match in self._short.finditer(text):
                yield self._wide(text, match.start(), match[0])
        known = self._known
        if not known:
            return
        for start in [at for at in range(len(text) - RUN + 1) if text[at : at + RUN] in known]:
            run = text[start : start + RUN]
            if run in self._runs:
                yield start, start + RUN
            for spelling in self._whole.get(run, ()):
                if text.startswith(spelling, start):
                    yield self._wide(text, start, spelling)
                    break

    def _wide(self, text: str, start: int, spelling: str) -> tuple[int, int]:
        """Returns the place of a spelling. In base64, the adjacent characters contain some of its bits, so they are
        included.
        """
        end = start + len(spelling)
        if spelling not in self._encoded:
            return start, end
        return start - (start > 0 and text[start - 1] in _BASE64), end + (end < len(text) and text[end] in _BASE64)


def _merged(places: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Returns the places in order, with overlapping and adjacent ones merged."""
    start = end = 0
    for first, last in places:
        if first > end:
            if end:
                yield start, end
            start = first
        end = max(end, last)
    if end:
        yield start, end


def _parts(value: str) -> list[str]:
    """Returns a value as it is and without surrounding blanks; for several lines (a key), also each line."""
    found = dict.fromkeys((value, value.strip(), *(line.strip() for line in value.splitlines())))
    return [part for part in found if len(part) >= SHORTEST]


def _abbreviated(part: str) -> list[str]:
    """Returns the parts that are long enough to be abbreviated. Dates and the words of an address occur in other texts
    too.
    """
    if _DATE.match(part):
        return []
    pieces = re.split(r"[/.:?&=#@]", part) if _ADDRESS.match(part) else [part]
    return [piece for piece in pieces if len(piece) >= LONG]


def _spelled(part: str) -> Iterator[str]:
    """Returns the ways in which programs print a text."""
    yield part
    yield json.dumps(part)[1:-1]
    yield json.dumps(part, ensure_ascii=False)[1:-1]
    yield repr(part)[1:-1]
    yield ascii(part)[1:-1]
    for escaped in (quote(part, safe=""), quote(part), quote_plus(part)):
        yield escaped
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), escaped)
    data = part.encode()
    yield data.hex()
    yield data.hex().upper()
    yield repr(data)[2:-1]


def _in_base64(part: str) -> Iterator[str]:
    """Returns the base64 forms at any offset in the encoded data, such as `user:password` in a header."""
    for data in {part.encode(), json.dumps(part)[1:-1].encode()}:
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + data).decode()
            certain = (before + len(data)) * 8 // 6  # the following characters depend on the next byte
            text = encoded[(before * 8 + 5) // 6 : certain]
            yield text
            yield text.translate({ord("+"): "-", ord("/"): "_"})
