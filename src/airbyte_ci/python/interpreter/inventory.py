"""The inventory of an image's Python, created once per image: interpreter, distributions, files of site-packages.

The image's own interpreter reports it; no location is assumed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airbyte_ci.errors import ImageError, SandboxError
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.interpreter import installed
from airbyte_ci.python.interpreter.installed import Distribution
from airbyte_ci.python.interpreter.interpreter import PROBE, Interpreter
from airbyte_ci.recipe.evaluate import Evaluator, State
from airbyte_ci.rootfs.tree import Tree
from airbyte_ci.sandbox import sandbox

FORMAT_VERSION = 4
# Connectors' entrypoints use `python`; some images only have the other name.
_NAMES = ("python", "python3")


@dataclass(frozen=True, slots=True)
class Inventory:
    """An image's Python and C library, and its installed distributions. `files` are its folders and scripts."""

    interpreter: Interpreter
    distributions: tuple[Distribution, ...]
    files: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "interpreter": self.interpreter.to_json(),
            "distributions": [item.to_json() for item in self.distributions],
            "files": list(self.files),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Inventory":
        return cls(
            Interpreter.from_json(document["interpreter"]),
            tuple(Distribution.from_json(item) for item in document["distributions"]),
            tuple(document["files"]),
        )


def of(store: Store, image: Image, bring: Callable[[], None] = lambda: None) -> Inventory:
    """Returns the image's inventory; raises ImageError without a Python, SandboxError if no command can run.

    `bring` is called when the layers are needed: when the image is inspected for the first time.
    """
    # The image's variables can select the Python and extend its path.
    inputs = {"layers": [str(item) for item in image.config.diff_ids], "variables": image.config.environment}

    def make() -> dict[str, Any]:
        evaluator = Evaluator(store, image, bring=bring)
        state = evaluator.state(())
        tree = evaluator.tree(state)
        return read(tree, _ask(store, evaluator, state, tree)).to_json()

    return Inventory.from_json(store.reuse("inventory", FORMAT_VERSION, inputs, make))


def read(tree: Tree, interpreter: Interpreter) -> Inventory:
    """Returns the inventory of an image's files for its interpreter."""
    files = installed.files_below(tree, installed.folders(interpreter))
    return Inventory(interpreter, installed.distributions(tree, interpreter), files)


def _ask(store: Store, evaluator: Evaluator, state: State, tree: Tree) -> Interpreter:
    reasons = []
    for name in _NAMES:
        try:
            finished = _run(store, evaluator, state, tree, (name, "-I", "-c", PROBE))
        except SandboxError as error:
            if sandbox.missing_tools("none"):
                raise
            reasons.append(error.message)
            continue
        if finished.returncode == 0:
            return Interpreter.parse(finished.stdout.decode(errors="replace"))
        reasons.append(finished.stderr.decode(errors="replace").strip())
    raise ImageError(f"the base image has no working Python ({'; '.join(reasons)})")


def _run(store: Store, evaluator: Evaluator, state: State, tree: Tree, arguments: Sequence[str]) -> sandbox.Finished:
    command = evaluator.command(state, tree, arguments, use_entrypoint=False)
    # As root and in /: the image's user must not matter.
    return sandbox.run(store, tree, replace(command, uid=0, gid=0, workdir="/", timeout=60))
