"""The order of Alpine versions (apk-tools, "Package version"): `1.2b_rc1-r3`, with suffixes before and after it."""

import functools
import re

_VERSION = re.compile(r"(\d+(?:\.\d+)*)([a-z]?)((?:_[a-z]+\d*)*)(?:~[0-9a-f]+)?(?:-r(\d+))?")
_SUFFIX = re.compile(r"_([a-z]+)(\d*)")
# A version without a suffix is between these two groups.
_BEFORE, _AFTER = ("alpha", "beta", "pre", "rc"), ("cvs", "svn", "git", "hg", "p")
_RANKS = {name: number - len(_BEFORE) for number, name in enumerate(_BEFORE)} | {
    name: number + 1 for number, name in enumerate(_AFTER)
}
Key = tuple[tuple[tuple[int, str], ...], str, tuple[tuple[int, int], ...], int]


@functools.lru_cache(maxsize=65536)
def key(version: str) -> Key:
    """Returns a key that sorts like the version; raises ValueError for another form."""
    found = _VERSION.fullmatch(version.strip())
    if found is None or any(name not in _RANKS for name, _ in _SUFFIX.findall(found[3])):
        raise ValueError(f"{version!r} is not a version of Alpine")
    first, *others = found[1].split(".")
    suffixes = tuple((_RANKS[name], int(number or 0)) for name, number in _SUFFIX.findall(found[3]))
    return ((int(first), ""), *map(_part, others)), found[2], (*suffixes, (0, 0)), int(found[4] or 0)


def _part(text: str) -> tuple[int, str]:
    """A part with a leading zero is compared like the digits after a decimal point."""
    return (0, text.rstrip("0")) if text.startswith("0") and text != "0" else (int(text), "")
