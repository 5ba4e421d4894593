"""The facts that metadata queries may use, collected from the packages that provide them; each is computed lazily."""

import functools
from collections.abc import Mapping, Sequence

from airbyte_ci.cli.base_facts import BaseFacts
from airbyte_ci.config import Configuration
from airbyte_ci.connectors import facts, find
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.connectors.facts import Fact
from airbyte_ci.connectors.select import ModifiedFiles


def of(bases: BaseFacts, modified: ModifiedFiles) -> Mapping[str, Fact]:
    """Returns every fact about this repository's connectors, by its name in queries."""
    return {
        **facts.OWN,
        "base": lambda connector: bases.of(connector.base_image),
        "modified": lambda connector: connector.relative in modified(),
    }


def modified_files(
    connectors: Sequence[Connector], configuration: Configuration, diffed_branch: str | None
) -> ModifiedFiles:
    """Returns a function that runs git once, when the answer is first needed."""

    @functools.cache
    def files() -> Mapping[str, tuple[str, ...]]:
        from airbyte_ci.connectors import modified  # most commands do not need git
        from airbyte_ci.git import history

        def page(connector: Connector) -> str | None:
            path = find.documentation(connector, configuration)
            return path.relative_to(configuration.root).as_posix() if path else None

        root = configuration.root
        changed = history.changed_files(root, history.fork_point(root, diffed_branch))
        return modified.modified_files(connectors, changed, page)

    return files
