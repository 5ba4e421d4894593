"""Creates commits from changes by git's plumbing, without the user's index and working tree.

A commit of airbyte-ci contains the digest of its tree, so that changes by others are detected.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airbyte_ci.campaigns.changes.change import Change
from airbyte_ci.edits.edit import FileChange
from airbyte_ci.errors import AirbyteCiError, EditRefused, UsageError
from airbyte_ci.git import git

_CONNECTOR, _TREE = "Airbyte-CI-Connector", "Airbyte-CI-Tree"
_NEW_FILE = "100644"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a branch."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str

    @property
    def is_ours(self) -> bool:
        """Returns whether airbyte-ci created it: not for amended, merged and others' commits."""
        return len(self.parents) == 1 and _trailer(self.message, _TREE) == self.tree

    @property
    def connector(self) -> str | None:
        return _trailer(self.message, _CONNECTOR)


def run(
    root: Path, doing: str, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> bytes:
    """Returns git's output; raises AirbyteCiError with its error, without credentials of a remote's address."""
    return answer(root, doing, *arguments, given=given, variables=variables).stdout


def answer(
    root: Path, doing: str, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Returns the same as `run`, with git's stderr."""
    # Without a user at the terminal, git would wait for a password forever.
    done = git.ask(root, *arguments, given=given, variables={"GIT_TERMINAL_PROMPT": "0", **(variables or {})})
    if done is None:
        raise UsageError(f"{doing}: git is not installed")
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        said = " / ".join(line.strip() for line in lines[:4]) or f"git ended with {done.returncode}"
        raise AirbyteCiError(f"{doing}: {_CREDENTIALS.sub('', said)}")
    return done


def refuse_without_identity(root: Path) -> None:
    """Raises UsageError if git does not know the author of the commits."""
    try:
        run(root, "asking git whose commits they are", "var", "GIT_COMMITTER_IDENT")
        run(root, "asking git whose commits they are", "var", "GIT_AUTHOR_IDENT")
    except AirbyteCiError as error:
        raise UsageError(error.message, advice="git config user.name NAME && git config user.email ADDRESS") from error


def since(root: Path, tip: str, *known: str) -> tuple[Commit, ...]:
    """Returns the commits of a branch that are not in any of `known`, oldest first."""
    out = run(
        root,
        f"reading the commits up to {tip}",
        *("log", "--reverse", "--topo-order", "--format=%H%x00%T%x00%P%x00%B%x01", tip, "--not", *known),
    ).decode(errors="replace")
    fields = [item.lstrip("\n").split("\0") for item in out.split("\x01") if item.strip()]
    return tuple(Commit(sha, tree, tuple(parents.split()), text.strip()) for sha, tree, parents, text in fields)


def chain(
    root: Path, base: str, changes: Sequence[tuple[Change, str]], existing: Sequence[Commit]
) -> tuple[Commit, ...]:
    """Creates a commit for each change with its message, on top of `base`; reuses equal ones of `existing`.

    Raises EditRefused if a file in git differs from the base of a planned change.
    """
    made: list[Commit] = []
    signed = _is_signed(root)
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-index-") as folder:
        for number, (change, text) in enumerate(changes):
            parent = made[-1].sha if made else base
            tree = _tree(root, parent, change, Path(folder) / "index")
            message = f"{text}\n\n{_CONNECTOR}: {change.connector}\n{_TREE}: {tree}"
            wanted = (tree, (parent,), message)
            before = existing[number] if number < len(existing) else None
            if before is not None and (before.tree, before.parents, before.message) == wanted:
                made.append(before)
                continue
            arguments = ["commit-tree", *signed, "-p", parent, "-F", "-", tree]
            sha = run(root, f"committing {change.connector}", *arguments, given=f"{message}\n".encode())
            made.append(Commit(sha.decode().strip(), *wanted))
    return tuple(made)


def with_file(root: Path, parent: str | None, path: str, content: bytes, message: str) -> str:
    """Creates a commit that sets one file, at a path from the top; without a parent, it begins a history of its own."""
    doing = f"committing {path}"
    blob = run(root, doing, "hash-object", "-w", "--stdin", given=content).decode().strip()
    with tempfile.TemporaryDirectory(prefix="airbyte-ci-index-") as folder:
        variables = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if parent:
            run(root, doing, "read-tree", parent, variables=variables)
        entry = f"{_NEW_FILE} {blob}\t{path}\0".encode()
        run(root, doing, "update-index", "-z", "--index-info", given=entry, variables=variables)
        tree = run(root, doing, "write-tree", variables=variables).decode().strip()
    parents = ("-p", parent) if parent else ()
    made = run(root, doing, "commit-tree", *_is_signed(root), *parents, "-F", "-", tree, given=f"{message}\n".encode())
    return made.decode().strip()


def in_place(root: Path, change: Change, text: str) -> str:
    """Writes the change into the working tree and commits just its files on the current branch.

    Other changed or staged files stay so. Raises EditRefused if one of its files is uncommitted; if the commit fails or
    is interrupted, the files are restored.
    """
    doing = f"committing {change.connector}"
    paths = [item.path for item in change.edit.changes]
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    status = ("status", "--porcelain", "--untracked-files=all", "--ignored", "--", *paths)
    if state := run(root, doing, *status, variables=literal).decode(errors="replace").strip():
        raise EditRefused(
            f"{doing}: {state.split(maxsplit=1)[-1].splitlines()[0]} has changes of yours",
            advice="commit or stash them first",
            error_id="uncommitted-changes",
        )
    new = [item.path for item in change.edit.changes if item.before is None]
    change.edit.apply(root)
    try:
        if new:
            run(root, doing, "add", "--intent-to-add", "--", *new, variables=literal)
        run(root, doing, "commit", "-q", "--only", "-F", "-", "--", *paths, given=text.encode(), variables=literal)
    except BaseException:
        reverse = type(change.edit).of(FileChange(c.path, c.after, c.before) for c in change.edit.changes)
        reverse.apply(root)
        run(root, doing, "reset", "-q", "--", *paths, variables=literal)
        raise
    return run(root, doing, "rev-parse", "HEAD").decode().strip()


def _tree(root: Path, parent: str, change: Change, index: Path) -> str:
    doing = f"committing {change.connector}"
    variables = {"GIT_INDEX_FILE": str(index)}
    paths = [item.path for item in change.edit.changes]
    listed = run(root, doing, "ls-tree", "-z", parent, "--", *paths, variables={"GIT_LITERAL_PATHSPECS": "1"})
    there: dict[str, tuple[str, str | None]] = {}
    for line in filter(None, listed.split(b"\0")):
        facts, _, path = line.partition(b"\t")
        mode, _, name = facts.decode().split(" ")
        there[path.decode("utf-8", "surrogateescape")] = (mode, name)
    prefix = run(root, doing, "rev-parse", "--show-prefix").decode().strip()
    lines = []
    for item in change.edit.changes:
        kept, blob = there.get(item.path, (_NEW_FILE, None))
        if blob != (None if item.before is None else _blob(root, item.path, item.before)):
            raise EditRefused(
                f"{doing}: {item.path} differs from {parent[:10]}, where the branch begins",
                advice="commit elsewhere or stash what changed it; connectors that share a page go into one branch",
            )
        if item.after is None:
            lines.append(f"0 {'0' * 40}\t{prefix}{item.path}\0")
        else:
            lines.append(f"{kept} {_blob(root, item.path, item.after, '-w')}\t{prefix}{item.path}\0")
    run(root, doing, "read-tree", parent, variables=variables)
    given = "".join(lines).encode("utf-8", "surrogateescape")
    run(root, doing, "update-index", "-z", "--index-info", given=given, variables=variables)
    return run(root, doing, "write-tree", variables=variables).decode().strip()


def _blob(root: Path, path: str, content: bytes, *options: str) -> str:
    """Returns git's name of a file's content, with the filters (line ends, large files) of its path."""
    arguments = ("hash-object", *options, "--stdin", "--path", path)
    return run(root, f"hashing {path}", *arguments, given=content).decode().strip()


def _is_signed(root: Path) -> tuple[str, ...]:
    answer = git.ask(root, "config", "--type=bool", "commit.gpgsign")
    return ("-S",) if answer is not None and answer.stdout.strip() == b"true" else ()


def _trailer(message: str, key: str) -> str | None:
    found = re.findall(rf"^{key}: (\S+)$", message, re.MULTILINE)
    return found[-1] if found else None
