"""An edit of files: path → bytes before and after; it shows and applies itself, and knows no reason."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from airbyte_ci.edits.apply import replace_files
from airbyte_ci.errors import EditRefused


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file, by its posix path from the repository root; None: it does not exist before, or after."""

    path: str
    before: bytes | None
    after: bytes | None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or str(path) != self.path or {"..", ".", ".git"} & {self.path, *path.parts}:
            raise EditRefused(f"{self.path!r} is not the path of a file inside the repository")


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes of different files that are made together or not at all."""

    changes: tuple[FileChange, ...] = ()

    @classmethod
    def of(cls, changes: Iterable[FileChange]) -> "Edit":
        """The edit without what changes nothing, in the order of paths.

        Raises EditRefused when two changes are of one path.
        """
        ordered = sorted((c for c in changes if c.before != c.after), key=lambda c: c.path)
        for one, following in pairwise(ordered):
            if one.path == following.path:
                raise EditRefused(f"{one.path} is changed twice by one edit")
        return cls(tuple(ordered))

    def __bool__(self) -> bool:
        return bool(self.changes)

    def combine(self, other: "Edit") -> "Edit":
        """Both edits as one. Raises EditRefused when both change one path."""
        return Edit.of((*self.changes, *other.changes))

    def diff(self) -> str:
        """The edit as `git diff` prints it and `git apply` takes it.

        Bytes that are not UTF-8 are surrogate escapes; of a file with a NUL it only says that it differs.
        """
        return "".join(line for change in self.changes for line in _diff(change))

    def counts(self) -> tuple[tuple[str, int, int], ...]:
        """For each file its path, the lines added and the lines removed."""
        return tuple((change.path, *_count(change)) for change in self.changes)

    def apply(self, root: Path) -> None:
        """Write the edit below `root`, all of it or nothing.

        Raises EditRefused when a file is no longer what the edit was made from, or leads out of `root`.
        Whatever is raised, an interruption too, the files are as they were before.
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
    """Lines as git sees them: only a line feed ends one (str.splitlines would also break at form feeds)."""
    *lines, last = content.decode("utf-8", "surrogateescape").split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _header(name: str) -> str:
    # A name with a space is ended by a tab, or `git apply` and `patch` would cut it at the space.
    return f"{name}\t" if " " in name else name


def _quoted(name: str) -> str:
    """The name as git writes it with core.quotePath off: quoted only when it holds what must be escaped."""
    escaped = "".join(_escaped(char) for char in name)
    return name if escaped == name else f'"{escaped}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return f"\\{ord(char):03o}" if char < " " or char == "\x7f" else char
