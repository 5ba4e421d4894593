"""The one place that opens what a command works with, typed: store, clients, threads, clock, environment, progress.

Commands hold an `App`; the rooms below receive its parts, most often as `Tools`. Nothing here knows what is done.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from airbyte_ci import config
from airbyte_ci.build.rules import Rules
from airbyte_ci.config import Configuration
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.registry.client import RegistryClient, client_of_user
from airbyte_ci.oci.registry.options import Event, RegistryOptions
from airbyte_ci.oci.store import Store
from airbyte_ci.python.index import PackageIndex
from airbyte_ci.python.lock import Origin
from airbyte_ci.python.tools import Tools

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Reporter(Protocol):
    """Shows how far work is. Safe to use from threads."""

    def teller(self, subject: str) -> Callable[[str], None]:
        """Returns the function that reports a subject's current step."""

    def moved(self, subject: str, what: object, done: int, total: int) -> None:
        """Reports how many bytes of something have been transferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One command's tools. `native` is the platform that this machine runs, `environment` this process' variables."""

    configuration: Configuration
    environment: Mapping[str, str]
    native: Platform
    store: Store
    index: PackageIndex
    executor: Executor
    reporter: Reporter
    offline: bool

    @contextlib.contextmanager
    def tools(self, subject: str) -> Iterator[Tools]:
        """The tools for work on one subject, whose progress they report. The connections end with the block."""

        def moved(event: Event) -> None:
            self.reporter.moved(subject, event.digest, event.done, event.total)

        index = replace(self.index, moved=functools.partial(self.reporter.moved, subject))
        with open_registries(self.configuration, offline=self.offline, progress=moved) as registries:
            yield Tools(self.store, index, registries, self.executor, self.reporter.teller(subject))

    @property
    def passed(self) -> Mapping[str, str]:
        """The variables that hooks may see."""
        names = self.configuration.hook_environment
        return {name: self.environment[name] for name in names if name in self.environment}

    def rules(self, as_of: str | None = None) -> Rules:
        """What the repository and the command line say of locks."""
        return read_rules(self.configuration, as_of)


def open_app(configuration: Configuration, executor: Executor, reporter: Reporter, *, offline: bool) -> App:
    """Opens everything; raises ConfigurationError for settings of package indexes that are damaged."""
    environment = read_environment()
    return App(
        configuration=configuration,
        environment=environment,
        native=find_platform(),
        store=open_store(),
        index=PackageIndex.from_environment(environment, offline=offline),
        executor=executor,
        reporter=reporter,
        offline=offline,
    )


# --- the parts, for commands that need only one ---------------------------------------------------


def open_store() -> Store:
    """The user's store; an ordinary user continues as root of a user namespace, where this machine allows it."""
    if os.geteuid() != 0:
        from airbyte_ci.container import rootless

        rootless.enter((sys.executable, "-m", "airbyte_ci", *sys.argv[1:]))
    # runc takes no root behind a link.
    return Store(config.home(os.environ).resolve())


def open_registries(
    configuration: Configuration, *, offline: bool, progress: Callable[[Event], None] | None = None
) -> RegistryClient:
    """The client of all registries, with the user's logins and the repository's configuration.

    Threads may share it. Use it in a `with`, so that its connections end.
    """
    options = RegistryOptions(
        offline=offline,
        insecure=frozenset(configuration.insecure_registries),
        mirrors=configuration.mirrors,
        progress=progress,
    )
    return client_of_user(options)


def read_environment() -> Mapping[str, str]:
    """This process' environment, read here at the edge and passed on as an argument."""
    return dict(os.environ)


def read_rules(configuration: Configuration, as_of: str | None = None) -> Rules:
    """What the repository and the command line say of locks."""
    return Rules(as_of or configuration.resolve_as_of, configuration.groups, configuration.extras, now())


def find_framework(local: Path | None, reference: str | None) -> Origin | None:
    """The CDK that takes the place of the locked one; raises UsageError, PackageError."""
    if local and reference:
        raise UsageError("--use-local-cdk and --use-cdk-ref exclude each other")
    from airbyte_ci.build import framework

    return framework.local(local) if local else framework.at(reference) if reference else None


def find_platform() -> Platform:
    """The platform that this machine runs."""
    machine = os.uname().machine
    return Platform("linux", _MACHINES.get(machine, machine))


# --- the clock -----------------------------------------------------------------------------------


def now() -> datetime:
    """The current moment, for what is judged by it: what is expired, what lies in the future."""
    return datetime.now(UTC)


def today() -> date:
    """The current day in UTC, for what is judged by it."""
    return now().date()


def written_day() -> date:
    """The day that files are given, in UTC: that of SOURCE_DATE_EPOCH, so that a run can be repeated exactly."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC).date() if epoch.isdigit() else today()
