"""Shared by the commands: opening their tools, parallel work on several subjects, and output for people."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from airbyte_ci import app, config
from airbyte_ci.app import App
from airbyte_ci.campaigns.migrations.table import MIGRATIONS
from airbyte_ci.cli import console, ending
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.errors import ConfigurationError, UsageError
from airbyte_ci.oci.store.store import Store

if TYPE_CHECKING:  # slow to import, and an unchanged build opens no pool
    from concurrent.futures import Executor

T = TypeVar("T")
R = TypeVar("R")
# Downloads mostly wait, and compression releases the interpreter lock.
_THREADS = 8


@contextlib.contextmanager
def open_app(settings: Settings, configuration: Configuration, subjects: int = 0) -> Iterator[tuple[App, Progress]]:
    """Opens the tools of a command for so many subjects, and its progress display."""
    with (
        Progress(settings, subjects) as progress,
        ending.deferred_pool(_THREADS) as open_pool,
        app.open_app(configuration, open_pool, progress, offline=settings.offline) as opened,
    ):
        yield opened, progress


def find_configuration(settings: Settings) -> Configuration:
    """Returns the repository's configuration; outside of a repository, for commands on images, the defaults."""
    try:
        return config.find(settings.repo, MIGRATIONS)
    except ConfigurationError:
        raise
    except UsageError:
        return Configuration(root=settings.repo)


@contextlib.contextmanager
def threads() -> "Iterator[Executor]":
    """Opens a thread pool that stops when something fails or the user interrupts."""
    with ending.pool(_THREADS) as pool:
        yield pool


def hint_size(store: Store) -> None:
    """Prints a hint to prune the store if it exceeds its limit. Call it after something was added."""
    from airbyte_ci.oci.store import limit  # most commands add nothing
    from airbyte_ci.oci.store.size import format_size

    size, bound = limit.size_of(store), limit.of(app.read_environment())
    if size > bound:
        reason = f"the store at {store.root} has {format_size(size)}, more than its limit of {format_size(bound)}"
        console.line(f"! {reason} → airbyte-ci store gc", err=True)


def side_by_side(items: Sequence[T], work: Callable[[T], R], width: int) -> Iterator[tuple[T, R]]:
    """Yields each item with its result when it is done, `width` at a time. An error or interruption stops the others.

    With a width of one, the work runs in this thread, in the given order.
    """
    if width <= 1 or len(items) <= 1:
        for item in items:
            yield item, work(item)
        return
    from concurrent.futures import as_completed

    with ending.pool(width) as pool:
        started = {pool.submit(work, item): item for item in items}
        for future in as_completed(started):
            yield started[future], future.result()


def say(settings: Settings, text: str = "") -> None:
    """Prints a line for people: on stderr with --json, else on stdout unless --quiet is given."""
    if not settings.quiet or settings.as_json:
        console.line(text, err=settings.as_json)


def shown_path(path: Path) -> str:
    """Returns a path relative to the current folder if it is below it, else unchanged."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
