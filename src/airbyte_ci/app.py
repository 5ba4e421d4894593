"""Opens the tools of a command in one place: store, clients, threads, clock, environment and progress.

Commands hold an `App`; the packages below receive its parts, usually as `Tools`.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airbyte_ci import config
from airbyte_ci.config import Configuration
from airbyte_ci.errors import SandboxError, UsageError
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.records import dataclass
from airbyte_ci.registry.client import RegistryClient, client_of_user
from airbyte_ci.registry.options import BlobProgress, RegistryOptions

if TYPE_CHECKING:  # slow to import, and an unchanged build needs none of them
    from concurrent.futures import Executor

    from airbyte_ci.python.index.package_index import PackageIndex
    from airbyte_ci.python.packages.lock import Origin
    from airbyte_ci.sandbox.runner import Runner

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Reporter(Protocol):
    """Shows the progress of work. Safe to use from threads."""

    def teller(self, subject: str) -> Callable[[str], None]:
        """Returns the function that reports a subject's current step."""

    def moved(self, subject: str, what: object, done: int, total: int) -> None:
        """Reports how many bytes of something have been transferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One command's tools. `native` is this machine's platform, `environment` has this process's variables.

    `registries` is the client of all subjects: what one has pushed, another one's push mounts.

    `open_index` and `open_executor` open at the first call; later calls return the same.
    """

    configuration: Configuration
    environment: Mapping[str, str]
    native: Platform
    store: Store
    registries: RegistryClient
    open_index: "Callable[[], PackageIndex]"
    open_executor: "Callable[[], Executor]"
    reporter: Reporter
    offline: bool

    def tools(self, subject: str) -> Tools:
        """Returns the tools for one subject, which report its progress."""

        def moved(event: BlobProgress) -> None:
            self.reporter.moved(subject, event.digest, event.done, event.total)

        say = self.reporter.teller(subject)

        @functools.cache
        def open_index() -> "PackageIndex":
            return replace(self.open_index(), moved=functools.partial(self.reporter.moved, subject), say=say)

        tools = Tools(
            store=self.store,
            open_index=open_index,
            registries=self.registries.reporting(moved),
            open_executor=self.open_executor,
            say=say,
        )
        return replace(tools, confirm_base=self._confirm_base(tools)) if self.configuration.trust else tools

    def _confirm_base(self, tools: Tools) -> Callable[[Reference], None]:
        """Returns the check of base images that the configuration demands."""
        from airbyte_ci.attest.verification import base_trust  # few repositories demand signatures
        from airbyte_ci.attest.verification.trust import TrustPolicy

        policy = TrustPolicy(self.configuration.trust, self.configuration.root)
        return lambda reference: base_trust.confirm(reference, policy, tools, self.environment)

    @property
    def passed(self) -> Mapping[str, str]:
        """Returns the environment variables that hooks may read."""
        names = self.configuration.hook_environment
        return {name: self.environment[name] for name in names if name in self.environment}

    def rules(self, as_of: str | None = None) -> Rules:
        """Returns the rules for lock files that the repository and the command line set."""
        return read_rules(self.configuration, as_of)


@contextlib.contextmanager
def open_app(
    configuration: Configuration, open_executor: "Callable[[], Executor]", reporter: Reporter, *, offline: bool
) -> Iterator[App]:
    """Opens all tools; connections to registries close with the block.

    The package index raises ConfigurationError for invalid settings when it is first used.
    """
    environment = read_environment()

    @functools.cache
    def open_index() -> "PackageIndex":
        from airbyte_ci.python.index.package_index import PackageIndex

        return PackageIndex.from_environment(environment, offline=offline)

    with open_registries(configuration, offline=offline) as registries:
        yield App(
            configuration=configuration,
            environment=environment,
            native=find_platform(),
            store=open_store(),
            registries=registries,
            open_index=open_index,
            open_executor=open_executor,
            reporter=reporter,
            offline=offline,
        )


# --- the parts, for commands that need only one ---------------------------------------------------


def open_store() -> Store:
    """Opens the user's store. An ordinary user continues as root of a user namespace, if this machine allows it.

    On a machine without runc, the command continues in a Linux container.
    """
    from airbyte_ci.sandbox import runner

    return _open_store(runner.choose(os.environ))


def _open_store(chosen: "Runner") -> Store:
    if chosen.program is not None:
        from airbyte_ci.sandbox import container

        container.enter(chosen, sys.argv[1:])
    if os.geteuid() != 0:
        from airbyte_ci.sandbox import rootless

        rootless.enter((sys.executable, "-m", "airbyte_ci", *sys.argv[1:]))
    # runc does not accept a root behind a symbolic link.
    return Store(config.home(os.environ).resolve())


def open_existing_store() -> Store | None:
    """Opens the user's store if there is one. The store of a container is looked up in the container."""
    from airbyte_ci.sandbox import runner

    with contextlib.suppress(SandboxError):  # Nothing runs images here, so no store exists.
        chosen = runner.choose(os.environ)
        if chosen.program or (config.home(os.environ) / "oci-layout").exists():
            return _open_store(chosen)
    return None


def open_registries(configuration: Configuration, *, offline: bool) -> RegistryClient:
    """Opens the client for all registries, with the user's credentials and the repository's configuration.

    Threads may share it. Use it in a `with`, which closes its connections.
    """
    options = RegistryOptions(
        offline=offline,
        insecure=frozenset(configuration.insecure_registries),
        mirrors=configuration.mirrors,
    )
    return client_of_user(options)


def read_environment() -> Mapping[str, str]:
    """Returns this process's environment, which is read only here and passed on as an argument."""
    return dict(os.environ)


def read_rules(configuration: Configuration, as_of: str | None = None) -> Rules:
    """Returns the rules for lock files that the repository and the command line set."""
    return Rules(as_of or configuration.resolve_as_of, configuration.groups, configuration.extras, now())


def find_framework(local: Path | None, reference: str | None) -> "Origin | None":
    """Returns the CDK that replaces the locked one, or None; raises UsageError and PackageError."""
    if local and reference:
        raise UsageError("--use-local-cdk and --use-cdk-ref exclude each other")
    if not local and not reference:
        return None
    from airbyte_ci.images import framework

    return framework.local(local) if local else framework.at(reference) if reference else None


def find_platform() -> Platform:
    """Returns this machine's platform."""
    machine = os.uname().machine
    return Platform("linux", _MACHINES.get(machine, machine))


# --- the clock -----------------------------------------------------------------------------------


def now() -> datetime:
    """Returns the current time, for decisions such as what has expired and what lies in the future."""
    return datetime.now(UTC)


def today() -> date:
    """Returns the current date in UTC, for such decisions."""
    return now().date()


def written_day() -> date:
    """Returns the date to write into files, in UTC: that of SOURCE_DATE_EPOCH, if set, for reproducible runs."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC).date() if epoch.isdigit() else today()
