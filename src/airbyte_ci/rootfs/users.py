"""Users as an image names them: `airbyte`, `1000:1000` → numbers, from its own /etc/passwd and /etc/group."""

from dataclasses import dataclass

from airbyte_ci.errors import SandboxError
from airbyte_ci.rootfs.tree import Tree


@dataclass(frozen=True, slots=True)
class User:
    """A numeric identity and its home folder."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def resolve(tree: Tree, spelling: str) -> User:
    """The user that `User` of an image configuration or a `chown`-like owner means; empty is root.

    Raises SandboxError for a name that the image does not have.
    """
    name, _, group = spelling.partition(":")
    name = name or "0"
    accounts = _table(tree, "etc/passwd", 7)
    account = next((row for row in accounts if name in (row[0], row[2])), None)
    if account is None and not _is_number(name):
        known = ", ".join(row[0] for row in accounts)
        raise SandboxError(f"the image has no user {name!r}", advice=f"it has: {known or 'none'}")
    uid = int(account[2] if account else name)
    gid = _group(tree, group) if group else int(account[3]) if account else 0
    return User(
        uid, gid, _memberships(tree, account[0]) if account and not group else (), account[5] if account else "/"
    )


def _memberships(tree: Tree, name: str) -> tuple[int, ...]:
    """Returns the groups that list a user; as in Docker, they are ignored if the group is given."""
    return tuple(int(row[2]) for row in _table(tree, "etc/group", 4) if name in row[3].split(","))


def _group(tree: Tree, name: str) -> int:
    if _is_number(name):
        return int(name)
    for row in _table(tree, "etc/group", 4):
        if row[0] == name:
            return int(row[2])
    raise SandboxError(f"the image has no group {name!r}")


def _table(tree: Tree, path: str, width: int) -> list[list[str]]:
    text = (tree.read(path) or b"").decode(errors="replace")
    rows = (line.split(":") for line in text.split("\n"))
    numeric = (2,) if width < 7 else (2, 3)
    return [row for row in rows if len(row) >= width and all(_is_number(row[column]) for column in numeric)]


def _is_number(text: str) -> bool:
    """Whether a user or group is written as a number (32 bits, as on Linux)."""
    return text.isascii() and text.isdigit() and len(text) <= 10
