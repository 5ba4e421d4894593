"""Puts together what commands that build or run need: store, index, registry client, threads, progress."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from airbyte_ci import config
from airbyte_ci.build.rules import Rules
from airbyte_ci.cli import console, ending
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.registry.client import RegistryClient, client_of_user
from airbyte_ci.oci.registry.options import Event, RegistryOptions
from airbyte_ci.oci.store import Store
from airbyte_ci.python.lock import Origin

T = TypeVar("T")
R = TypeVar("R")
# Fetching waits more than it works, and compression releases the interpreter lock.
_THREADS = 8


def open_store() -> Store:
    """The user's store; an ordinary user goes on as root of a user namespace, where this machine allows it."""
    if os.geteuid() != 0:
        from airbyte_ci.container import rootless

        rootless.enter((sys.executable, "-m", "airbyte_ci", *sys.argv[1:]))
    # runc takes no root behind a link.
    return Store(config.home(os.environ).resolve())


def hint_size(store: Store) -> None:
    """Says once that the store is larger than its limit, and how to prune it. After something was made in it."""
    from airbyte_ci.oci import limit  # most commands make nothing
    from airbyte_ci.oci.size import format_size

    size, bound = limit.size_of(store), limit.of(environment())
    if size > bound:
        told = f"the store at {store.root} holds {format_size(size)}, more than its limit of {format_size(bound)}"
        console.line(f"! {told} → airbyte-ci store gc", err=True)


def environment() -> Mapping[str, str]:
    """This process' environment, read here at the edge and passed on as an argument."""
    return dict(os.environ)


def rules(configuration: Configuration, as_of: str | None = None) -> Rules:
    """What the repository and the command line say of locks."""
    now = datetime.now(UTC)
    return Rules(as_of or configuration.resolve_as_of, configuration.groups, configuration.extras, now)


def framework(local: Path | None, reference: str | None) -> Origin | None:
    """The CDK that was asked for instead of the locked one; raises UsageError, PackageError."""
    if local and reference:
        raise UsageError("--use-local-cdk and --use-cdk-ref exclude each other")
    from airbyte_ci.build import framework as frameworks

    return frameworks.local(local) if local else frameworks.at(reference) if reference else None


def local_platform() -> Platform:
    """The platform that this machine runs."""
    machine = os.uname().machine
    return Platform("linux", {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))


def registries(
    settings: Settings, configuration: Configuration, progress: Callable[[Event], None] | None = None
) -> RegistryClient:
    """The client of all registries, with the user's logins and the repository's configuration.

    Threads may share it. Use it in a `with`, so that its connections end.
    """
    options = RegistryOptions(
        offline=settings.offline,
        insecure=frozenset(configuration.insecure_registries),
        mirrors=configuration.mirrors,
        progress=progress,
    )
    return client_of_user(options)


@contextlib.contextmanager
def threads() -> Iterator[Executor]:
    """A pool that gives up its work when something fails or the person interrupts."""
    with ending.pool(_THREADS) as pool:
        yield pool


def side_by_side(items: Sequence[T], work: Callable[[T], R], width: int) -> Iterator[tuple[T, R]]:
    """Each item with its result, as they are done, `width` at a time. An error or an interruption ends the others.

    One at a time is done here, in the order given.
    """
    if width <= 1 or len(items) <= 1:
        for item in items:
            yield item, work(item)
        return
    with ending.pool(width) as pool:
        started = {pool.submit(work, item): item for item in items}
        for future in as_completed(started):
            yield started[future], future.result()


def say(settings: Settings, text: str = "") -> None:
    """Talk for people, on stderr when stdout is for a machine."""
    if not settings.quiet or settings.as_json:
        console.line(text, err=settings.as_json)


def shown_path(path: Path) -> str:
    """A path as short as it can be from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
