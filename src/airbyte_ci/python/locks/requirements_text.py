"""Writes hashed requirements: a resolution for one or more environments in pip's format. Selects nothing."""

import re
from collections.abc import Iterable, Iterator

from airbyte_ci.python.locks import pylock_text
from airbyte_ci.python.locks.pylock_text import Environment
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, LockedPackage

# Comments and options at the top of a file: its author, and its indexes.
_HEAD = re.compile(r"(?:[ \t]*(?:#.*|--?(?!e\b|-editable|r\b|-requirement)[a-z].*)?\r?\n)*")


# The comment that names the file's project.
_ITSELF = (".", "-e .", "--editable .", "--editable=.")


def render(environments: Iterable[Environment], before: str) -> str:
    """Returns the text after the comments and options at the top of the current file (`before`)."""
    resolved = list(environments)
    found = _HEAD.match(before)
    head = found[0] if found else ""
    lines = [head.removesuffix("\n")] if head else []
    lines += [line for line in before.splitlines() if line.partition("#")[0].strip() in _ITSELF]
    for package, markers in pylock_text.merge(resolved):
        condition = "" if len(markers) == len(resolved) else f" ; {' or '.join(markers)}"
        lines += _package(package, condition)
    return "\n".join([*lines, ""])


def _package(package: LockedPackage, condition: str) -> Iterator[str]:
    hashes = [f"    --hash=sha256:{value}" for value in sorted({file.sha256 for file in package.files})]
    yield " \\\n".join([f"{_subject(package)}{condition}", *hashes])


def _subject(package: LockedPackage) -> str:
    match package.origin:
        case FromDirectory(path, editable, subdirectory):
            place = "/".join(filter(None, (path if path.startswith((".", "/")) else f"./{path}", subdirectory)))
            return f"-e {place}" if editable else place
        case FromGit(url, commit, subdirectory, _):
            return f"{package.name} @ git+{url}@{commit}" + (f"#subdirectory={subdirectory}" if subdirectory else "")
        case FromArchive(place, _):
            return f"{package.name} @ {place}" if "://" in place else f"./{place}"
    return f"{package.name}=={package.version}"
