"""Runs git to read facts about a repository. Without git, nothing is known."""

import os
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from airbyte_ci.errors import ConnectorError

_Name = TypeVar("_Name")

# Of git's variables, only those that reach a server, name a person or point to a person's configuration are kept.
# Others (GIT_DIR in hooks, GIT_OBJECT_DIRECTORY, GIT_REPLACE_REF_BASE) would make git read another repository.
_PASSED = (
    *("GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_PROXY_COMMAND", "GIT_PROXY_SSL_CERT"),
    *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY", "GIT_SSL_VERSION"),
    *("GIT_HTTP_USER_AGENT", "GIT_HTTP_PROXY_AUTHMETHOD", "GIT_CREDENTIAL_HELPER", "GIT_TERMINAL_PROMPT"),
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE", "GIT_EXEC_PATH", "GIT_ALLOW_PROTOCOL"),
    *("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE", "GIT_DISCOVERY_ACROSS_FILESYSTEM"),
)
_CONFIGURED = ("GIT_CONFIG", "GCM_", "GIT_LFS")
# Settings of the user that would change git's output.
_PLAIN = (
    "color.ui=false",
    "log.showSignature=false",
    "diff.noprefix=false",
    "diff.orderFile=/dev/null",
    "core.pager=cat",
)


def environment(**variables: str) -> dict[str, str]:
    """Returns git's environment: the process environment with only personal git variables, and `variables`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _PASSED or name.startswith(_CONFIGURED)
    }
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **variables}


def ask(
    root: Path, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes] | None:
    """Returns git's output for the repository that contains `root`, with `given` on stdin; None without git.

    `variables` are added to git's environment.
    """
    plain = (part for setting in _PLAIN for part in ("-c", setting))
    try:
        return subprocess.run(
            ["git", "-C", str(root), *plain, *arguments],
            env=environment(**(variables or {})),
            input=given,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None


def differs(root: Path, path: str, one: str, other: str) -> bool | None:
    """Returns whether a file (from the repository's top) differs between two commits; None if one is not here."""
    if any(
        (answer := ask(root, "cat-file", "-e", f"{commit}^{{commit}}")) is None or answer.returncode
        for commit in (one, other)
    ):
        return None
    answer = ask(root, "diff", "--quiet", "--no-ext-diff", one, other, "--", f":(top,literal){path}")
    return {0: False, 1: True}.get(answer.returncode) if answer else None


def uncommitted(root: Path, path: Path) -> str | None:
    """Returns how a file differs from the last commit (`modified`, `untracked`); None if it does not.

    Also returns None without a git repository. Raises ConnectorError if git cannot read the repository.
    """
    answer = ask(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored", "--", str(path))
    if answer is None or answer.returncode:
        if answer is not None and any((folder / ".git").exists() for folder in (root, *root.parents)):
            said = answer.stderr.decode(errors="replace").strip().splitlines()[:1]
            raise ConnectorError(f"cannot find out whether {path} is committed: {''.join(said)}")
        return None
    if not answer.stdout:
        return None
    return "untracked" if answer.stdout.startswith((b"??", b"!!")) else "modified"


def committed(root: Path, commit: str, paths: Sequence[str]) -> dict[str, bytes]:
    """Returns the contents of the existing files of a commit, by path below `root`. One process reads them all."""
    found = versions(root, [(commit, path) for path in paths])
    return {path: content for (_, path), content in found.items()}


def versions(root: Path, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """Returns the contents of the existing files, by commit and path below `root`. One process reads them all."""
    prefix = ask(root, "rev-parse", "--show-prefix") if places else None
    if prefix is None or prefix.returncode:
        return {}
    start = prefix.stdout.removesuffix(b"\n")
    known = [(commit, path) for commit, path in places if "\n" not in path]
    objects = (b"%s:%s%s" % (commit.encode(), start, os.fsencode(path)) for commit, path in known)
    return _contents(root, known, objects)


def blobs(root: Path, names: Collection[str]) -> dict[str, bytes]:
    """Returns the contents of the existing blobs, by git's name. One process reads them all."""
    return _contents(root, names, map(str.encode, names)) if names else {}


def _contents(root: Path, names: Collection[_Name], objects: Iterable[bytes]) -> dict[_Name, bytes]:
    """Returns the contents of the blobs that `objects` specify for git, each by its name."""
    answer = ask(root, "cat-file", "--batch", given=b"".join(b"%s\n" % item for item in objects))
    return {} if answer is None else dict(_batch(answer.stdout, names))


def _batch(output: bytes, names: Iterable[_Name]) -> Iterator[tuple[_Name, bytes]]:
    """https://git-scm.com/docs/git-cat-file#_batch_output"""
    at = 0
    for name in names:
        end = output.find(b"\n", at)
        if end < 0:
            return  # the commit is missing, or git ended
        words = output[at:end].split(b" ")
        at = end + 1
        if words[-1] not in (b"missing", b"ambiguous"):
            size = int(words[-1])
            if words[-2] == b"blob":
                yield name, output[at : at + size]
            at += size + 1
