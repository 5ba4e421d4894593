"""An edit of files: path → bytes before and after. It can be shown and applied."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from airbyte_ci.edits.apply import replace_files
from airbyte_ci.errors import EditRefused


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file, by its posix path from the repository's root; None means that it does not exist before or after."""

    path: str
    before: bytes | None
    after: bytes | None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or str(path) != self.path or {"..", ".", ".git"} & {self.path, *path.parts}:
            raise EditRefused(f"{self.path!r} is not the path of a file inside the repository")


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes of different files that are applied together or not at all."""

    changes: tuple[FileChange, ...] = ()

    @classmethod
    def of(cls, changes: Iterable[FileChange]) -> "Edit":
        """Returns the edit without changes that change nothing, ordered by path.

        Raises EditRefused if two changes have the same path.
        """
        ordered = sorted((c for c in changes if c.before != c.after), key=lambda c: c.path)
        for one, following in pairwise(ordered):
            if one.path == following.path:
                raise EditRefused(f"{one.path} is changed twice by one edit")
        return cls(tuple(ordered))

    def __bool__(self) -> bool:
        return bool(self.changes)

    def combine(self, other: "Edit") -> "Edit":
        """Returns both edits as one. Raises EditRefused if both change one path."""
        return Edit.of((*self.changes, *other.changes))

    def diff(self) -> str:
        """Returns the edit as `git diff` prints it and `git apply` accepts it.

        Bytes that are not UTF-8 are surrogate escapes; for a file with a NUL, it only states that the file differs.
        """
        return "".join(line for change in self.changes for line in _diff(change))

    def counts(self) -> tuple[tuple[str, int, int], ...]:
        """Returns each file's path, the number of added lines and of removed lines."""
        return tuple((change.path, *_count(change)) for change in self.changes)

    def apply(self, root: Path) -> None:
        """Writes the edit below `root`, all of it or nothing.

        Raises EditRefused if a file no longer has the content that the edit is based on, or leads out of `root`. After
        any exception, including an interruption, the files are unchanged.
        """
        replace_files(root, tuple((c.path, c.before, c.after) for c in self.changes))


def _diff(change: FileChange) -> Iterator[str]:
    old, new = _quoted(f"a/{change.path}"), _quoted(f"b/{change.path}")
    yield f"diff --git {old} {new}\n"
    if change.before is None:
        yield "new file mode 100644\n"
        old = "/dev/null"
    if change.after is None:
        yield "deleted file mode 100644\n"
        new = "/dev/null"
    before, after = change.before or b"", change.after or b""
    if b"\0" in before + after:
        yield f"Binary files {old} and {new} differ\n"
        return
    for line in difflib.unified_diff(_lines(before), _lines(after), _header(old), _header(new)):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _count(change: FileChange) -> tuple[int, int]:
    matcher = difflib.SequenceMatcher(None, _lines(change.before or b""), _lines(change.after or b""))
    changed = [opcode for opcode in matcher.get_opcodes() if opcode[0] != "equal"]
    return sum(j2 - j1 for *_, j1, j2 in changed), sum(i2 - i1 for _, i1, i2, *_ in changed)


def _lines(content: bytes) -> list[str]:
    """Splits lines like git: only a line feed ends one (str.splitlines would also split at form feeds)."""
    *lines, last = content.decode("utf-8", "surrogateescape").split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _header(name: str) -> str:
    # A tab ends a name with a space, or `git apply` and `patch` would cut it at the space.
    return f"{name}\t" if " " in name else name


def _quoted(name: str) -> str:
    """Returns the name as git writes it with core.quotePath off: quoted only if a character must be escaped."""
    escaped = "".join(_escaped(char) for char in name)
    return name if escaped == name else f'"{escaped}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return f"\\{ord(char):03o}" if char < " " or char == "\x7f" else char
