"""Where a connector without a lock is asked what it needs: on its base image, as it is before any hook."""

from airbyte_ci.build.assembly import Ground, Workbench
from airbyte_ci.container.evaluate import Evaluator
from airbyte_ci.container.tree import Tree
from airbyte_ci.python.sdist import Builder


def builder(bench: Workbench, ground: Ground) -> Builder:
    """A builder whose root is made when something must run in it."""
    runs = ground.runs

    def root() -> Tree:
        runs.base.bring()
        evaluator = Evaluator(bench.store, runs.base.image)
        return evaluator.tree(evaluator.state(()))

    return Builder(bench.store, bench.index, root, runs.python.interpreter)
