"""What commands do the same way: open their tools, work on several subjects at once, talk to people."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import TypeVar

from airbyte_ci import app
from airbyte_ci.app import App
from airbyte_ci.cli import console, ending
from airbyte_ci.cli.progress import Progress
from airbyte_ci.cli.settings import Settings
from airbyte_ci.config import Configuration
from airbyte_ci.oci.store import Store

T = TypeVar("T")
R = TypeVar("R")
# Fetching waits more than it works, and compression releases the interpreter lock.
_THREADS = 8


@contextlib.contextmanager
def open_app(settings: Settings, configuration: Configuration, subjects: int = 0) -> Iterator[tuple[App, Progress]]:
    """What a command works with on so many subjects, and where it shows how far it is."""
    with Progress(settings, subjects) as progress, threads() as pool:
        yield app.open_app(configuration, pool, progress, offline=settings.offline), progress


@contextlib.contextmanager
def threads() -> Iterator[Executor]:
    """A pool that gives up its work when something fails or the person interrupts."""
    with ending.pool(_THREADS) as pool:
        yield pool


def hint_size(store: Store) -> None:
    """Says once that the store is larger than its limit, and how to prune it. After something was made in it."""
    from airbyte_ci.oci import limit  # most commands make nothing
    from airbyte_ci.oci.size import format_size

    size, bound = limit.size_of(store), limit.of(app.read_environment())
    if size > bound:
        told = f"the store at {store.root} holds {format_size(size)}, more than its limit of {format_size(bound)}"
        console.line(f"! {told} → airbyte-ci store gc", err=True)


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
