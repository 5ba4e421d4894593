"""The order of Maven's versions (maven.apache.org, POM reference, "Version Order Specification")."""

import functools
import itertools
import re

_TOKEN = re.compile(r"([.-]?)(\d+|[^\d.-]+)")
# Qualifiers before and after a release; unknown ones come last, in the order of their letters.
_QUALIFIERS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_ALIASES = {"cr": "rc", "ga": "", "final": "", "release": ""}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
_RELEASE = _QUALIFIERS.index("")


@functools.total_ordering
class MavenVersion:
    """A version; missing parts are equal to zeros and to the release qualifier."""

    def __init__(self, text: str) -> None:
        self._parts = _trimmed(_parts(text.strip().lower()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MavenVersion) and not self < other and not other < self

    def __hash__(self) -> int:
        return hash(tuple(self._parts))

    def __lt__(self, other: "MavenVersion") -> bool:
        for mine, theirs in itertools.zip_longest(self._parts, other._parts):
            one, two = mine or _padding(theirs), theirs or _padding(mine)
            if one != two:
                return one < two
        return False


# A separator with the rank of a part: (kind of part, number, qualifier's rank, qualifier).
_Part = tuple[int, int, int, str]
_WORD, _DASHED, _DOTTED = 0, 1, 2


def _parts(text: str) -> list[_Part]:
    found: list[_Part] = []
    tokens = list(_TOKEN.finditer(text.partition("+")[0]))
    for place, token in enumerate(tokens):
        separator, value = token[1], token[2]
        if value.isdecimal():
            # A number right after letters begins a new group, like after a dash.
            is_dashed = separator == "-" or (place > 0 and not separator)
            found.append((_DASHED if is_dashed else _DOTTED, int(value), 0, ""))
            continue
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        is_short = following is not None and not following[1] and following[2].isdecimal()
        name = _SHORT.get(value, value) if is_short else value
        name = _ALIASES.get(name, name)
        rank = _QUALIFIERS.index(name) if name in _QUALIFIERS else len(_QUALIFIERS)
        found.append((_WORD, 0, rank, name if rank == len(_QUALIFIERS) else ""))
    return found


def _trimmed(parts: list[_Part]) -> list[_Part]:
    """Removes zeros and release qualifiers before each group and at the end: `1.0.0` is `1`, `1-ga` too."""
    kept: list[_Part] = []
    for part in reversed(parts):
        is_null = part[1] == 0 and (part[0] != _WORD or (part[2] == _RELEASE and not part[3]))
        begins_group = bool(kept) and kept[-1][0] != _DOTTED
        if is_null and (not kept or begins_group):
            continue
        kept.append(part)
    return kept[::-1]


def _padding(other: _Part | None) -> _Part:
    """Returns the part that is missing next to another one."""
    assert other is not None
    return (_WORD, 0, _RELEASE, "") if other[0] == _WORD else (other[0], 0, 0, "")


@functools.lru_cache(maxsize=65536)
def key(version: str) -> MavenVersion:
    """Returns a key that sorts like the version."""
    return MavenVersion(version)
