"""Poetry's version constraints (`^3.9,<3.12`, `~1.2`, `1.*`, `>=1 || ==0.9`) as PEP 440 specifiers."""

import re
from collections.abc import Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_OPERATOR = re.compile(r"(?P<operator>~=|===?|!=|<>|<=|>=|[<>=^~])?\s*v?(?P<version>\S*)")


def specifiers(constraint: str) -> Iterator[SpecifierSet]:
    """Returns the alternatives of a constraint; raises InvalidSpecifier or InvalidVersion if it is invalid."""
    for alternative in re.split(r"\|\|?", constraint):
        pieces = [piece for part in alternative.split(",") for piece in _split_blanks(part)]
        yield SpecifierSet(",".join(spec for piece in pieces for spec in _pep440(piece)))


def admits(constraint: str, version: str) -> bool:
    """Whether a version, including a pre-release, satisfies a constraint."""
    return any(spec.contains(version, prereleases=True) for spec in specifiers(constraint))


def _split_blanks(part: str) -> list[str]:
    """Splits `>=3.9 <4.0` into two constraints; `>= 3.9` is one."""
    pieces: list[str] = []
    for word in part.split():
        if pieces and not pieces[-1].strip("<>=!~^"):
            pieces[-1] += word
        else:
            pieces.append(word)
    return pieces


def _pep440(piece: str) -> list[str]:
    found = _OPERATOR.fullmatch(piece)
    operator, version = (found["operator"] or "", found["version"]) if found else ("", piece)
    if re.fullmatch(r"[*xX](?:\.[*xX])*", version) and operator in ("", "=="):
        return []
    match operator:
        case "^":
            return _caret(Version(version))
        case "~":
            return _tilde(Version(version))
        case "" | "=":
            return [f"=={version}"]
        case "<>":
            return [f"!={version}"]
        case "<" | "<=" | ">" | ">=":
            return [
                operator + version.removesuffix(".*")
            ]  # PEP 440 does not define this form, but packages' metadata uses it.
    return [operator + version]


def _caret(version: Version) -> list[str]:
    """Returns the range up to the next change of the leftmost nonzero number."""
    release = version.release
    position = next((index for index, number in enumerate(release) if number), len(release) - 1)
    return _between(version, position)


def _tilde(version: Version) -> list[str]:
    """Returns the range up to the next minor version, or the next major version if no minor is given."""
    return _between(version, min(1, len(version.release) - 1))


def _between(version: Version, position: int) -> list[str]:
    kept = (*version.release[:position], version.release[position] + 1)
    epoch = f"{version.epoch}!" if version.epoch else ""
    return [f">={version.public}", f"<{epoch}{'.'.join(map(str, kept))}"]
