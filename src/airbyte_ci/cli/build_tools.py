"""What the builds of one run share: store, package index, threads, the hooks' variables, progress by connector."""

import functools
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from airbyte_ci.build.job import Tools
from airbyte_ci.cli import workbench
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.connectors.connector import Connector


class BuildTools:
    """Opens the tools of each connector's build; safe to use from threads."""

    def __init__(self, settings: Settings, configuration: Configuration, progress: Progress, pool: Executor) -> None:
        self.store = workbench.open_store()
        self._settings = settings
        self._configuration = configuration
        self._progress = progress
        self._pool = pool
        self._environment = workbench.environment()
        self._index: Any = None

    @contextmanager
    def open(self, connector: Connector) -> Iterator[Tools]:
        """The tools of one build; its connections end with the context."""

        def moved(event: Any) -> None:
            self._progress.moved(connector.name, event.digest, event.done, event.total)

        with workbench.registries(self._settings, self._configuration, moved) as registries:
            packages = functools.partial(self._packages, connector)
            say = self._progress.teller(connector.name)
            yield Tools(self.store, registries, packages, self._pool, self._passed(), {}, say)

    def _passed(self) -> Mapping[str, str]:
        names = self._configuration.hook_environment
        return {name: self._environment[name] for name in names if name in self._environment}

    def _packages(self, connector: Connector) -> Any:
        from airbyte_ci.python.index import PackageIndex  # only what is not ready asks an index

        self._index = self._index or PackageIndex.from_environment(self._environment, offline=self._settings.offline)
        return replace(self._index, moved=functools.partial(self._progress.moved, connector.name))
