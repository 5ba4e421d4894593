"""What unpacking a layer asks of the layers below it: all that the result depends on besides the layer itself.

Most layers ask next to nothing (whose is /usr?), so that over any layers that give the same answers they are the same.
"""

import json
import stat
from collections.abc import Callable, Iterable, Mapping

from airbyte_ci.container.tree import Node, Tree

# A kind of question and the path it is about.
Question = tuple[str, str]

# Beyond that many, it is quicker to depend on the layers below as such.
_MOST = 1000
_STACK: Question = ("stack", "")


class Asked:
    """A tree that keeps in mind what it was asked."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        # In the order of asking, each once.
        self._questions: dict[Question, None] = {}

    @property
    def questions(self) -> tuple[Question, ...]:
        """What was asked so far."""
        return tuple(self._questions)

    def node(self, path: str) -> Node | None:
        """What the tree has at a real path; its kind, a folder's owner and mode, and a link's target may be used."""
        self._ask("node", path)
        return self._tree.entry(path)

    def has(self, path: str) -> bool:
        """Whether the tree has anything at a real path."""
        self._ask("has", path)
        return self._tree.entry(path) is not None

    def names(self) -> list[str]:
        """The names in the root."""
        self._ask("names", "")
        return self._tree.names("")

    def depends_on_contents(self) -> None:
        """Says that a file's bytes are used."""
        self._questions = {_STACK: None}

    def _ask(self, kind: str, path: str) -> None:
        if len(self._questions) >= _MOST:
            self.depends_on_contents()
        if _STACK not in self._questions:
            self._questions[kind, path] = None


def answered(tree: Tree, questions: Iterable[Question]) -> str:
    """The questions with the answers that a tree gives, in one spelling."""
    return json.dumps([[kind, path, _ANSWERS[kind](tree, path)] for kind, path in questions])


def _node(tree: Tree, path: str) -> list[str | int]:
    node = tree.entry(path)
    if node is None:
        return []
    if node.is_link:
        return ["link", str(node.disk.readlink())]
    if node.is_dir:
        return ["dir", stat.S_IMODE(node.status.st_mode), node.status.st_uid, node.status.st_gid]
    return ["file"]


_ANSWERS: Mapping[str, Callable[[Tree, str], object]] = {
    "node": _node,
    "has": lambda tree, path: tree.entry(path) is not None,
    "names": lambda tree, _: tree.names(""),
    # The name of an unpacked layer tells what is in it.
    "stack": lambda tree, _: [layer.name for layer in tree.layers],
}
