"""Where a connector without a lock is asked what it needs: on its base image, as it is before any hook."""

from airbyte_ci.container.evaluate import Evaluator
from airbyte_ci.container.tree import Tree
from airbyte_ci.python.base import Base
from airbyte_ci.python.sdist import Builder
from airbyte_ci.python.tools import Tools


def builder(tools: Tools, base: Base) -> Builder:
    """A builder whose root is made when something must run in it."""
    runs = base.runs

    def root() -> Tree:
        evaluator = Evaluator(tools.store, runs.image, bring=runs.bring)
        return evaluator.tree(evaluator.state(()))

    return Builder(tools.store, tools.index, root, runs.python.interpreter)
