"""The questions that unpacking a layer asks of the layers below: its only input besides the layer itself.

Most layers ask very little (who owns /usr?), so their unpacked form is the same over all layers that give the same
answers.
"""

import json
import stat
from collections.abc import Callable, Iterable, Mapping

from airbyte_ci.rootfs.tree import Tree, TreeNode

# A kind of question and its path.
Question = tuple[str, str]

# With more questions, depending on the exact layers below is faster.
_MOST = 1000
_STACK: Question = ("stack", "")


class RecordingTree:
    """A tree that records the questions asked of it."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        # In the order of asking, each question once.
        self._questions: dict[Question, None] = {}

    @property
    def questions(self) -> tuple[Question, ...]:
        """Returns the questions asked so far."""
        return tuple(self._questions)

    def node(self, path: str) -> TreeNode | None:
        """Returns the tree's node at a real path; callers may use kind, a folder's owner and mode, a link's target."""
        self._ask("node", path)
        return self._tree.entry(path)

    def has(self, path: str) -> bool:
        """Whether the tree has a node at a real path."""
        self._ask("has", path)
        return self._tree.entry(path) is not None

    def names(self) -> list[str]:
        """Returns the names in the root."""
        self._ask("names", "")
        return self._tree.names("")

    def depends_on_contents(self) -> None:
        """Records that a file's bytes are used."""
        self._questions = {_STACK: None}

    def _ask(self, kind: str, path: str) -> None:
        if len(self._questions) >= _MOST:
            self.depends_on_contents()
        if _STACK not in self._questions:
            self._questions[kind, path] = None


def answered(tree: Tree, questions: Iterable[Question]) -> str:
    """Returns the questions with a tree's answers, in canonical form."""
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
    # The name of an unpacked layer identifies its content.
    "stack": lambda tree, _: [layer.name for layer in tree.layers],
}
