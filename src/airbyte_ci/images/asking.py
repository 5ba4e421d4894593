"""The builder that reads the requirements of a connector without a lock, on its base image before any hook."""

from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.python.sources.sdist import Builder
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs.tree import Tree


def builder(tools: Tools, base: Base) -> Builder:
    """A builder that creates its root when a command must run in it."""
    runs = base.runs

    def root() -> Tree:
        evaluator = Evaluator(tools.store, runs.image, bring=runs.bring)
        return evaluator.tree(evaluator.state(()))

    return Builder(store=tools.store, index=tools.index, root=root, interpreter=runs.python.interpreter)
